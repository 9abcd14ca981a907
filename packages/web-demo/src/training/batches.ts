import { hostTensor } from '@kora-bench/core/graph';
import { randomStream } from '@kora-bench/core/random';
import { imagesFeed } from '@kora-bench/core/training';
import {
  augmentationMap,
  normalisationTable,
  normaliseImage,
  renderExample,
  sourceFamily,
} from '@kora-bench/datasets/browser';
import type { OwnBatches, StepBatch } from '@kora-bench/trainer';
import { batchSize, classes, preprocessing, seed, steps } from './recipe.js';

const dataset = 'procedural-source';
const [height, width] = preprocessing.imageSize;

/** Each picture is seen once in a run. */
const perClass = (steps * batchSize) / classes.length;

/** A batch with what a page shows of it. */
export interface PictureBatch extends StepBatch {
  /** Places in the recipe's classes, `[B]`. */
  readonly labels: Int32Array;
  /** The images as RGB bytes `[H, W, 3]` each. */
  readonly pictures: readonly Uint8Array[];
}

/** The batches of a run: pictures of the data set's training split, rendered when asked for. */
export const pictureBatches: OwnBatches<PictureBatch> = { stepsPerEpoch: steps, batches: renderBatches };

function* renderBatches(): Generator<PictureBatch, void, undefined> {
  const family = sourceFamily(seed);
  const order = randomStream(seed, 'web-demo/order').permutation(perClass * classes.length);
  const table = normalisationTable(preprocessing);
  const unmoved = augmentationMap('none', preprocessing.imageSize, { seed, epoch: 0, index: 0 });
  for (let step = 0; step < steps; step++) {
    const chosen = order.subarray(step * batchSize, (step + 1) * batchSize);
    const labels = chosen.map((place) => Math.floor(place / perClass));
    const pictures = Array.from(chosen, (place, i) => {
      const example = {
        dataset,
        seed,
        split: 'train',
        label: classes[labels[i]!]!,
        number: place % perClass,
      } as const;
      return renderExample(family, example, { height, width, extent: preprocessing.cropPct }).pixels;
    });
    const images = new Float32Array(batchSize * 3 * height * width);
    for (const [i, picture] of pictures.entries())
      normaliseImage(picture, table, unmoved, images.subarray(i * 3 * height * width));
    const feeds = {
      [imagesFeed]: hostTensor([batchSize, 3, height, width], images),
      label: hostTensor([batchSize], labels),
    };
    yield { feeds, count: batchSize, labels, pictures };
  }
}
