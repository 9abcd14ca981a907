import { resolveModel } from '@kora-bench/models';
import type { RunConfig } from '../config/run-config.js';
import type { FailedRecord } from '../records/record-schema.js';
import { describeFailure } from '../records/record-schema.js';
import { loadRegistry } from '../registry/registry.js';
import { measurePeer } from './measure-peer.js';
import type { ThroughputCell } from './measure-throughput.js';
import { measureThroughput } from './measure-throughput.js';
import type { ThroughputSpec } from './training-step.js';

/* The program of the process that measures one method on one backend, so that its peak memory is its own. */

export interface ThroughputJob {
  readonly plugins: RunConfig['plugins'];
  readonly backend: string;
  readonly device: string;
  readonly backendOptions: unknown;
  readonly method: string;
  readonly methodOptions: unknown;
  readonly label: string;
  readonly model: string;
  readonly classes: number;
  readonly batch: number;
  readonly milliseconds: number;
  /** Whether to measure the backend's peer too, where it has one. */
  readonly peers: boolean;
}

export type ThroughputMessage =
  | { readonly type: 'measured'; readonly cell: ThroughputCell }
  | { readonly type: 'failed'; readonly error: FailedRecord['error'] };

async function measure(job: ThroughputJob): Promise<ThroughputMessage> {
  try {
    const registry = await loadRegistry(job.plugins);
    const definition = registry.methods.get(job.method)!;
    const engine = registry.backends.get(job.backend)!;
    const { model } = await resolveModel(job.model, [...registry.models.values()]);
    const backend = await engine.create(job.device, engine.options.parse(job.backendOptions));
    const spec: ThroughputSpec = {
      backend,
      method: { definition, options: definition.options.parse(job.methodOptions) },
      label: job.label,
      model,
      classes: job.classes,
      batch: job.batch,
      milliseconds: job.milliseconds,
    };
    const cell = await measureThroughput(spec);
    const peer =
      job.peers && engine.peer !== undefined
        ? await measurePeer(engine.peer, { ...spec, device: job.device })
        : undefined;
    await backend.dispose();
    return { type: 'measured', cell: peer === undefined ? cell : { ...cell, peer } };
  } catch (error) {
    return { type: 'failed', error: describeFailure(error) };
  }
}

process.on('disconnect', () => process.exit());
process.once('message', async (job: ThroughputJob) => {
  const message = await measure(job);
  // An engine may keep the process alive, so it ends as soon as the answer is out. Closing the channel first
  // tells the parent to kill it where a driver does not even let it exit.
  process.send?.(message, () => process.disconnect());
});
