import { createOracle, runTraced } from '@kora-bench/conformance';
import type { HostTensor, HostTensors, Shape, Tensor, Weights } from '@kora-bench/core/graph';
import { makeProgram } from '@kora-bench/core/passes';

/** Numbers in float64, as the oracle computes; `f32` by dtype. */
export function f64(shape: Shape, values: Iterable<number>): HostTensor {
  return { dtype: 'f32', shape, data: Float64Array.from(values) };
}

export interface Given {
  readonly feeds?: HostTensors;
  readonly state?: HostTensors;
  readonly weights?: Weights;
}

/** The values of some tensors of one graph on the oracle. */
export async function evaluate(
  outputs: Readonly<Record<string, Tensor>>,
  { feeds = {}, state = {}, weights = new Map() }: Given,
): Promise<Record<string, HostTensor>> {
  return runTraced(await createOracle(), { program: makeProgram(outputs), feeds, state, weights });
}

/** The largest |a − b| / max(|b|, the largest |b| · 1e-3). */
export function relativeDifference(actual: ArrayLike<number>, expected: readonly number[]): number {
  if (actual.length !== expected.length) return Infinity;
  const scale = 1e-3 * expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return expected.reduce((most, value, i) => {
    const error = Math.abs(actual[i]! - value);
    return error === 0 ? most : Math.max(most, error / Math.max(Math.abs(value), scale));
  }, 0);
}
