import { InputError } from '@kora-bench/core/errors';
import type { Weights } from '@kora-bench/core/graph';
import { sameShape } from '@kora-bench/core/graph';
import type { Architecture, Checkpoint } from '@kora-bench/core/nn';
import type { ConfiguredMethod } from '@kora-bench/core/peft';
import type { Task } from '@kora-bench/core/training';
import type { WeightStore } from '@kora-bench/trainer';
import type { FindingLog } from '../audits/data-audit.js';
import type { CellAdapter } from '../records/record-schema.js';
import type { Registry } from '../registry/registry.js';
import { openAdapter, requireFit } from './open-adapter.js';

/** What a cell starts from instead of a fresh method. */
export interface AdapterStart extends CellAdapter {
  readonly values: Weights;
}

/** Reads the adapter of a cell again. @throws InputError where it is another one than when the run was planned */
export async function readAdapterStart(
  { folder, sha256 }: CellAdapter,
  method: ConfiguredMethod,
  checkpoint: Pick<Checkpoint, 'model' | 'tensors'>,
  registry: Pick<Registry, 'methods'>,
): Promise<AdapterStart> {
  const adapter = await openAdapter(folder, checkpoint, registry);
  if (adapter.sha256 !== sha256) {
    throw new InputError('The adapter was changed after the run had been planned.', {
      where: folder,
      expected: `files with the SHA-256 ${sha256}`,
      received: adapter.sha256,
      fix: 'Put the files back, or start a new run.',
    });
  }
  requireFit({ method, values: adapter.values }, checkpoint, folder);
  return { folder, sha256, values: adapter.values };
}

/** Puts the values of an adapter in place of a fresh method's, and its head in place of a new one that is as large. */
export function startFromAdapter(
  weights: WeightStore,
  { folder, values }: AdapterStart,
  {
    model,
    task,
    where,
    findings,
  }: {
    readonly model: Architecture;
    readonly task: Task;
    readonly where: string;
    readonly findings: FindingLog;
  },
): void {
  for (const [name, value] of values) if (!name.startsWith('head.')) weights.set(name, value);
  const head = task.parameters(model);
  const weight = values.get('head.weight');
  const fits =
    weight !== undefined &&
    head.every(({ name }) => name === 'head.weight' || name === 'head.bias') &&
    head.some(({ name, shape }) => name === 'head.weight' && sameShape(shape, weight.shape));
  if (fits)
    for (const { name, shape } of head) {
      const zeros = new Float32Array(shape[0]!);
      // A head that was saved without a bias computes what one with zeros does.
      weights.set(name, values.get(name) ?? { dtype: 'f32', shape, data: zeros });
    }
  const outputs = head.find(({ name }) => name === 'head.weight')?.shape[0];
  findings.add({
    severity: 'info',
    code: 'STARTS_FROM_ADAPTER',
    where,
    message: `Training starts from an adapter of peft’s, ${
      fits
        ? 'with its head'
        : weight === undefined
          ? 'which has no head: the head is new'
          : `whose head has ${weight.shape[0]} outputs${outputs === undefined ? '' : ` and not ${outputs}`}: the head is new`
    }.`,
    evidence: { folder },
  });
}
