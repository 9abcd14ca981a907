import { float16ToFloat32, float32ToFloat16 } from '@kora-bench/core/safetensors';

/** One row as equally spaced values: `offset + level · step`. */
export interface QuantisedRow {
  /** The lowest value, exact in binary16. */
  readonly offset: number;
  /** The distance between neighbours, exact in binary16, at least 0. */
  readonly step: number;
  /** 0 … 2^bits − 1. */
  readonly levels: Uint8Array;
}

/** Shares of a row's range that are tried: clipping a few large values may serve the many small ones. */
const clippings = [1, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5, 0.45, 0.4];

/**
 * Rounds a row to the nearest of 2^bits equally spaced values. Of ranges around its mean, from all of the row to 40 % of
 * it, the one with the least squared error is taken, as the clipping thresholds of Banner et al. 2019, "Post training
 * 4-bit quantization of convolutional networks for rapid-deployment" (arXiv:1810.05723), here by search. With the whole
 * range no value moves by more than half a step, so the squared error of the row is never above n · (step / 2)², where
 * step is (max − min) / (2^bits − 1) but for rounding it up to binary16.
 * @param values finite, magnitudes up to 65504
 * @param bits 2 … 8
 */
export function quantiseRow(values: Float64Array, bits: number): QuantisedRow {
  const most = 2 ** bits - 1;
  let [low, high, sum] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
    sum += value;
  }
  const mean = Math.min(high, Math.max(low, sum / values.length));
  let [best, least] = [gridOver(low, high, most), Number.POSITIVE_INFINITY];
  for (const clipping of clippings) {
    const grid = gridOver(mean + clipping * (low - mean), mean + clipping * (high - mean), most);
    let error = 0;
    for (const value of values) error += (value - grid.offset - levelOf(value, grid, most) * grid.step) ** 2;
    if (error < least) [best, least] = [grid, error];
  }
  const levels = Uint8Array.from(values, (value) => levelOf(value, best, most));
  return { ...best, levels };
}

/** The values that a quantised row stands for. */
export function rowValues({ offset, step, levels }: QuantisedRow): Float64Array {
  return Float64Array.from(levels, (level) => offset + level * step);
}

interface Grid {
  readonly offset: number;
  readonly step: number;
}

/** A grid from `low` to `high` or, as both numbers have to be exact in binary16, a little beyond. */
function gridOver(low: number, high: number, most: number): Grid {
  const offset = halfBelow(low);
  return { offset, step: halfAbove((high - offset) / most) };
}

function levelOf(value: number, { offset, step }: Grid, most: number): number {
  if (step === 0) return 0;
  return Math.min(most, Math.max(0, Math.round((value - offset) / step)));
}

const halfValue = (pattern: number): number => float16ToFloat32(Uint16Array.of(pattern))[0]!;

/** The largest number of binary16 that is not above `x`. */
function halfBelow(x: number): number {
  const pattern = float32ToFloat16(x);
  const nearest = halfValue(pattern);
  if (nearest <= x) return nearest;
  // Patterns count up with the magnitude: below zero the next lower number has the next pattern.
  if (pattern === 0) return halfValue(0x8001);
  return halfValue(pattern >= 0x8000 ? pattern + 1 : pattern - 1);
}

/** The smallest number of binary16 that is not below `x`. */
function halfAbove(x: number): number {
  return -halfBelow(-x);
}
