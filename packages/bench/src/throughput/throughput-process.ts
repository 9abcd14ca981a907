import type { PeerDefinition } from '@kora-bench/core/backend';
import { resolveModel } from '@kora-bench/models';
import { pytorchPeer } from '@kora-bench/peer-pytorch';
import { dataFolders } from '@kora-bench/platform-node/data-folders';
import type { RunConfig } from '../config/run-config.js';
import type { FailedRecord } from '../records/record-schema.js';
import { describeFailure } from '../records/record-schema.js';
import { loadRegistry } from '../registry/registry.js';
import type { PeerComparison } from './measure-peer.js';
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
  /** What the step is measured beside. */
  readonly peers: readonly PeerName[];
  /** The interpreter that has PyTorch. */
  readonly python: string;
  /** Whether to measure the best matrix product beside. */
  readonly peak: boolean;
}

/** The engine's own library, where the backend knows how one trains with it, and others. */
export type PeerName = 'own' | 'pytorch';

/** A peer that did not train beside the backend. */
export interface PeerFailure {
  readonly peer: string;
  readonly error: FailedRecord['error'];
}

export type ThroughputMessage =
  | {
      readonly type: 'measured';
      readonly cell: ThroughputCell;
      readonly peerFailures: readonly PeerFailure[];
    }
  | { readonly type: 'failed'; readonly error: FailedRecord['error'] };

async function measure(job: ThroughputJob): Promise<ThroughputMessage> {
  try {
    const registry = await loadRegistry(job.plugins);
    const definition = registry.methods.get(job.method)!;
    const engine = registry.backends.get(job.backend)!;
    const { model } = await resolveModel(job.model, [...registry.models.values()], dataFolders(), '--model');
    const backend = await engine.create(job.device, engine.options.parse(job.backendOptions));
    const spec: ThroughputSpec = {
      backend,
      method: { definition, options: definition.options.parse(job.methodOptions) },
      label: job.label,
      model,
      classes: job.classes,
      batch: job.batch,
      milliseconds: job.milliseconds,
      peak: job.peak,
    };
    const cell = await measureThroughput(spec);
    const peers: PeerComparison[] = [];
    const peerFailures: PeerFailure[] = [];
    for (const peer of peersOf(job, engine.peer)) {
      try {
        peers.push(await measurePeer(peer, { ...spec, device: job.device }));
      } catch (error) {
        peerFailures.push({ peer: peer.name, error: describeFailure(error) });
      }
    }
    await backend.dispose();
    return { type: 'measured', cell: peers.length === 0 ? cell : { ...cell, peers }, peerFailures };
  } catch (error) {
    return { type: 'failed', error: describeFailure(error) };
  }
}

function peersOf({ peers, python }: ThroughputJob, own: PeerDefinition | undefined): PeerDefinition[] {
  return [
    ...(peers.includes('own') && own !== undefined ? [own] : []),
    ...(peers.includes('pytorch') ? [pytorchPeer({ python })] : []),
  ];
}

process.on('disconnect', () => process.exit());
process.once('message', async (job: ThroughputJob) => {
  const message = await measure(job);
  // An engine may keep the process alive, so it ends as soon as the answer is out. Closing the channel first
  // tells the parent to kill it where a driver does not even let it exit.
  process.send?.(message, () => process.disconnect());
});
