import type { ImageSplit, PixelReader, Preprocessing } from '@kora-bench/core/data';
import type { HostTensor, HostTensors } from '@kora-bench/core/graph';
import { exampleWeightFeed } from '@kora-bench/core/training';
import type { BatchOptions, BatchTargets } from '@kora-bench/datasets/browser';
import { batches } from '@kora-bench/datasets/browser';

/** A batch of always the same size B, as compiled programs need it; a last one repeats its last example. */
export interface FixedBatch {
  /** Normalised images `[B, 3, H, W]`. Their memory is used again once the next batch is asked for. */
  readonly images: HostTensor;
  /** By kind, `[B, …]`. */
  readonly targets: BatchTargets;
  /** Places of the real examples in the split, `[count]`. */
  readonly indices: Int32Array;
  /** How many of the examples are real. */
  readonly count: number;
}

export interface FixedBatchesSpec extends BatchOptions {
  readonly split: ImageSplit;
  readonly reader: PixelReader;
  /** Places in the split. */
  readonly order: Int32Array;
}

/** Batches over `order`, the next ones prepared while the consumer works. */
export async function* fixedBatches(spec: FixedBatchesSpec): AsyncGenerator<FixedBatch, void, undefined> {
  const { split, reader, order, batchSize, ...options } = spec;
  const padded = new Int32Array(Math.ceil(order.length / batchSize) * batchSize).fill(order.at(-1)!);
  padded.set(order);
  let at = 0;
  for await (const { images, targets, indices } of batches(split, reader, padded, {
    batchSize,
    ...options,
  })) {
    const count = Math.min(batchSize, order.length - at);
    yield {
      images: { dtype: 'f32', shape: [batchSize, 3, ...options.preprocessing.imageSize], data: images },
      targets,
      indices: indices.subarray(0, count),
      count,
    };
    at += batchSize;
  }
}

/** The first batch of a split, in its own order. */
export async function firstBatch(
  split: ImageSplit,
  preprocessing: Preprocessing,
  batchSize: number,
): Promise<FixedBatch> {
  const reader = await split.open(preprocessing);
  try {
    const order = inOrder(Math.min(batchSize, split.length));
    const { value } = await fixedBatches({ split, reader, order, batchSize, preprocessing }).next();
    return value as FixedBatch;
  } finally {
    await reader.close();
  }
}

/** The weights of a batch's examples: a mean over the real ones, nothing for padding. */
export function exampleWeights(count: number, batchSize: number): HostTensors {
  const data = new Float32Array(batchSize).fill(1 / count, 0, count);
  return { [exampleWeightFeed]: { dtype: 'f32', shape: [batchSize], data } };
}

/** 0 … length−1. */
export function inOrder(length: number): Int32Array {
  return Int32Array.from({ length }, (_, i) => i);
}
