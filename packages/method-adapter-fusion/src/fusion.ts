import type { Tensor } from '@kora-bench/core/graph';
import { add, concat, linear, mul, narrow, softmax, sum } from '@kora-bench/core/ops';
import { lowRankDelta } from '@kora-bench/core/peft';

/** Gives a parameter of one block's fusion by what follows the block's prefix. */
export type FusionParameter = (name: string) => Tensor;

/**
 * Mixes the adapters' deltas per token: `Σ_t softmax_t( (Q·h)·(K·δ_t) ) · V·δ_t`, with no scaling of the
 * scores, as in the paper (Pfeiffer et al. 2021, section 3.2).
 * @param h the layer's output, `[B, N, D]`
 * @param deltas one per adapter, `[B, N, D]`
 * @returns `[B, N, D]`
 */
export function fuseDeltas(
  h: Tensor,
  deltas: readonly Tensor[],
  own: FusionParameter,
  full: boolean,
): Tensor {
  const query = linear(h, own('query.weight'));
  const scores = deltas.map((delta) =>
    sum(mul(query, linear(delta, own('key.weight'))), { axes: [-1], keepDims: true }),
  );
  const attention = softmax(concat(scores, -1));
  const mixed = deltas
    .map((delta, task) => mul(delta, narrow(attention, -1, task, task + 1)))
    .reduce((total, part) => add(total, part));
  // The value map is linear, so it applies to the mixture once instead of to every delta.
  return full
    ? linear(mixed, own('value.weight'))
    : add(mixed, lowRankDelta(mixed, own('value.down.weight'), own('value.up.weight'), 1));
}
