import type { Tensor, TracedGraph } from '@kora-bench/core/graph';
import { broadcastTo, concat, constant, linear, matmul, reshape } from '@kora-bench/core/ops';

/*
 * What heads of dense tasks are made of: a readout of each patch, and interpolation from patches to pixels.
 */

export interface ReadoutInputs {
  /** One vector for the whole image, `[B, D]`. */
  readonly features: Tensor;
  /** `[B, rows·columns, Dᵢ]` each; joined over their features. */
  readonly patches: readonly Tensor[];
  /** `[out, Σ Dᵢ + D]`: first the patches' part, then that of `features`. */
  readonly weight: Tensor;
  /** `[out]` */
  readonly bias: Tensor;
}

/**
 * A linear map of each patch's tokens joined with the image's features: the "project" readout of Ranftl et al.
 * 2021 ("Vision Transformers for Dense Prediction"). Some methods change nothing but the class token
 * after the last norm (`kora-chain`); a head that reads patches alone would leave them out.
 * @returns `[B, rows·columns, out]`
 */
export function projectReadout({ features, patches, weight, bias }: ReadoutInputs): Tensor {
  const [batch, count] = patches[0]!.shape;
  const width = features.shape[1]!;
  const everywhere = broadcastTo(reshape(features, [batch!, 1, width]), [batch!, count!, width]);
  return linear(concat([...patches, everywhere], 2), weight, bias);
}

/** For each position along an output axis, the two input positions that it lies between. */
export interface BilinearTaps {
  readonly lower: Int32Array;
  readonly upper: Int32Array;
  /** The share of `upper`, in [0, 1]. */
  readonly fraction: Float64Array;
}

/**
 * Where the pixels of a longer axis lie on a shorter one, pixel centres on pixel centres and the border
 * repeated: PyTorch's `F.interpolate(mode='bilinear', align_corners=False)` along one axis.
 * @param stride takes every stride-th pixel alone, from ⌊stride / 2⌋ on
 */
export function bilinearTaps(input: number, output: number, stride = 1): BilinearTaps {
  const count = Math.ceil((output - Math.floor(stride / 2)) / stride);
  const taps = {
    lower: new Int32Array(count),
    upper: new Int32Array(count),
    fraction: new Float64Array(count),
  };
  for (let i = 0; i < count; i++) {
    const pixel = Math.floor(stride / 2) + i * stride;
    const place = Math.max(0, ((pixel + 0.5) * input) / output - 0.5);
    const lower = Math.min(input - 1, Math.floor(place));
    taps.lower[i] = lower;
    taps.upper[i] = Math.min(input - 1, lower + 1);
    taps.fraction[i] = place - lower;
  }
  return taps;
}

/**
 * Bilinear interpolation as two products with constant matrices, so that it differentiates like any product.
 * The classes stay last, where the loss wants them: nothing is transposed.
 * @param x `[B, rows, columns, C]`
 * @param size H and W
 * @param stride gives only every stride-th pixel of each axis; H and W are multiples of it
 * @returns `[B, H / stride, W / stride, C]`
 */
export function upsampleBilinear(
  x: Tensor,
  size: readonly [height: number, width: number],
  stride = 1,
): Tensor {
  const [batch, rows, columns, classes] = x.shape as [number, number, number, number];
  const across = interpolationMatrix(x.builder, columns, bilinearTaps(columns, size[1], stride));
  const down = interpolationMatrix(x.builder, rows, bilinearTaps(rows, size[0], stride));
  const [height, width] = [down.shape[0]!, across.shape[0]!];
  const wide = matmul(across, x);
  const tall = matmul(down, reshape(wide, [batch, rows, width * classes]));
  return reshape(tall, [batch, height, width, classes]);
}

/** `[output, input]`, two numbers per row that sum to 1. */
function interpolationMatrix(builder: TracedGraph, input: number, taps: BilinearTaps): Tensor {
  const output = taps.lower.length;
  const matrix = new Float64Array(output * input);
  for (let i = 0; i < output; i++) {
    matrix[i * input + taps.lower[i]!]! += 1 - taps.fraction[i]!;
    matrix[i * input + taps.upper[i]!]! += taps.fraction[i]!;
  }
  return constant(builder, matrix, [output, input]);
}

/** One example's values on a grid. */
export interface Grid {
  /** `[rows, columns, C]` */
  readonly data: ArrayLike<number>;
  readonly rows: number;
  readonly columns: number;
  /** C */
  readonly channels: number;
}

/**
 * {@link upsampleBilinear} of one example on the host, a pixel at a time, so that the whole is never in memory.
 * @param visit takes the place of a pixel, row by row, and its values `[C]`, which the next pixel overwrites
 */
export function forEachUpsampled(
  { data, rows, columns, channels }: Grid,
  [height, width]: readonly [height: number, width: number],
  visit: (pixel: number, values: Float64Array) => void,
): void {
  const across = bilinearTaps(columns, width);
  const down = bilinearTaps(rows, height);
  const grid = Float64Array.from(data); // one kind of array for the inner loop
  const row = new Float64Array(columns * channels);
  const values = new Float64Array(channels);
  for (let y = 0; y < height; y++) {
    blend(
      grid,
      { to: row, from: [down.lower[y]! * row.length, down.upper[y]! * row.length] },
      down.fraction[y]!,
    );
    for (let x = 0; x < width; x++) {
      const from = [across.lower[x]! * channels, across.upper[x]! * channels] as const;
      blend(row, { to: values, from }, across.fraction[x]!);
      visit(y * width + x, values);
    }
  }
}

function blend(
  data: Float64Array,
  { to, from: [lower, upper] }: { readonly to: Float64Array; readonly from: readonly [number, number] },
  fraction: number,
): void {
  for (let i = 0; i < to.length; i++) {
    to[i] = (1 - fraction) * data[lower + i]! + fraction * data[upper + i]!;
  }
}
