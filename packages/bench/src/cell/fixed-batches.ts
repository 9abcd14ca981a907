import type { HostTensor, ImageSplit, PixelReader, Preprocessing } from '@kora-bench/core';
import type { Batch, BatchOptions } from '@kora-bench/datasets';
import { batches } from '@kora-bench/datasets';

/** A batch of always the same size, as compiled programs need it. */
export interface FixedBatch {
  /** Normalised images `[B, 3, H, W]`; the last batch repeats its last example to fill up. */
  readonly images: HostTensor;
  /** Metres `[B, H, W]`, for depth tasks. */
  readonly depth: HostTensor | undefined;
  /** Places of the real examples in the split, `[count]`. */
  readonly indices: Int32Array;
  /** How many of the examples are real. */
  readonly count: number;
}

/** Batches of `batchSize` over `order`, the next ones prepared while the consumer works. */
export async function* fixedBatches(
  split: ImageSplit,
  reader: PixelReader,
  order: Int32Array,
  batchSize: number,
  options: BatchOptions,
): AsyncGenerator<FixedBatch, void, undefined> {
  const padded = new Int32Array(Math.ceil(order.length / batchSize) * batchSize).fill(order.at(-1)!);
  padded.set(order);
  let at = 0;
  for await (const batch of batches(split, reader, padded, batchSize, options)) {
    const count = Math.min(batchSize, order.length - at);
    yield fixed(batch, count, batchSize, options.preprocessing);
    at += batchSize;
  }
}

function fixed(
  { images, depth, indices }: Batch,
  count: number,
  batchSize: number,
  { imageSize }: Preprocessing,
): FixedBatch {
  return {
    images: { dtype: 'f32', shape: [batchSize, 3, ...imageSize], data: images },
    depth: depth && { dtype: 'f32', shape: [batchSize, ...imageSize], data: depth },
    indices: indices.subarray(0, count),
    count,
  };
}

/** 0 … length−1. */
export function inOrder(length: number): Int32Array {
  return Int32Array.from({ length }, (_, i) => i);
}
