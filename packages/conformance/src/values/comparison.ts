import type { HostTensor } from '@kora-bench/core/graph';
import { formatShape, sameShape } from '@kora-bench/core/graph';

/** How far one output is from the reference's. */
export interface Comparison {
  /** Name of the output. */
  readonly output: string;
  /**
   * The largest |actual − expected| / max(|expected|, rms(expected)) over all elements: relative to the
   * element, but no stricter than float32 can be about elements far below the rest. 0 for equal
   * tensors, infinity where shape, dtype, NaN or ±infinity differ.
   */
  readonly relativeError: number;
  /** The element with that error, or what makes the tensors incomparable. */
  readonly worst: string;
}

export function compareTensors(output: string, actual: HostTensor, expected: HostTensor): Comparison {
  if (!sameShape(actual.shape, expected.shape) || actual.dtype !== expected.dtype) {
    return {
      output,
      relativeError: Infinity,
      worst: `${actual.dtype} ${formatShape(actual.shape)} instead of ${expected.dtype} ${formatShape(expected.shape)}`,
    };
  }
  if (actual.data.length !== expected.data.length) {
    return {
      output,
      relativeError: Infinity,
      worst: `${actual.data.length} elements instead of ${expected.data.length}`,
    };
  }
  const scale = rootMeanSquare(expected);
  let relativeError = 0;
  let at = 0;
  for (let i = 0; i < expected.data.length; i++) {
    const error = elementError(actual.data[i]!, expected.data[i]!, scale);
    if (error > relativeError) [relativeError, at] = [error, i];
  }
  const worst =
    relativeError === 0 ? 'all equal' : `element ${at} is ${actual.data[at]} instead of ${expected.data[at]}`;
  return { output, relativeError, worst };
}

/** The comparison with the largest error. */
export function worstOf(comparisons: readonly Comparison[]): Comparison {
  return comparisons.reduce((a, b) => (b.relativeError > a.relativeError ? b : a));
}

/**
 * ‖actual − expected‖ / ‖expected − start‖ (Euclidean norms): the error of a trained value relative to
 * how far training moved it. 0 where nothing moved and nothing should have.
 */
export function relativeErrorOfChange(actual: HostTensor, expected: HostTensor, start: HostTensor): number {
  if (!sameShape(actual.shape, expected.shape)) return Infinity;
  let error = 0;
  let change = 0;
  for (let i = 0; i < expected.data.length; i++) {
    error += (actual.data[i]! - expected.data[i]!) ** 2;
    change += (expected.data[i]! - start.data[i]!) ** 2;
  }
  if (error === 0) return 0;
  return Number.isNaN(error) ? Infinity : Math.sqrt(error / change);
}

function elementError(actual: number, expected: number, scale: number): number {
  if (actual === expected || (Number.isNaN(actual) && Number.isNaN(expected))) return 0;
  if (!Number.isFinite(actual) || !Number.isFinite(expected)) return Infinity;
  return Math.abs(actual - expected) / Math.max(Math.abs(expected), scale);
}

function rootMeanSquare({ data }: HostTensor): number {
  let sum = 0;
  let count = 0;
  for (const value of data) {
    if (!Number.isFinite(value)) continue;
    sum += value * value;
    count++;
  }
  return count === 0 ? 0 : Math.sqrt(sum / count);
}
