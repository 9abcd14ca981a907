import { ignoredPixel } from '@kora-bench/core/data';
import { ShapeError, TrainingError } from '@kora-bench/core/errors';
import type { HostTensor } from '@kora-bench/core/graph';
import { formatShape } from '@kora-bench/core/graph';
import { SegmentationMetrics } from '@kora-bench/core/metrics';
import type { Evaluator, Metric } from '@kora-bench/core/training';
import { errorMetric, shareMetric } from '@kora-bench/core/training';
import { forEachUpsampled } from './dense-head.js';

export const segmentationMetrics: readonly Metric[] = [
  shareMetric({
    key: 'mIoU',
    label: 'mIoU',
    description:
      'Mean over the classes that occur or were predicted of TP / (TP + FP + FN), counted over all labelled ' +
      'pixels of all images together (Pascal VOC; torchmetrics’ MulticlassJaccardIndex, macro).',
    primary: true,
    shown: 'table',
    scores: { score: 'mIoU', pooledAs: 'related' },
  }),
  shareMetric({
    key: 'pixelAccuracy',
    label: 'pixel acc.',
    description: 'Share of the labelled pixels of all images that were given their class (Long et al. 2015).',
    shown: 'table',
    scores: { score: 'pixelAccuracy', pooledAs: 'mean', weight: 'pixels' },
  }),
  shareMetric({
    key: 'meanClassAccuracy',
    label: 'class acc.',
    description:
      'Mean over the classes that occur of the share of their pixels that were found (Long et al. 2015).',
  }),
  shareMetric({
    key: 'imageMIoU',
    label: 'image mIoU',
    description:
      'Mean over the images of the mIoU of the classes that occur or were predicted in each; smaller objects ' +
      'count for more than in mIoU.',
    scores: { score: 'mIoU', pooledAs: 'mean' },
  }),
  errorMetric({
    key: 'loss',
    label: 'loss',
    description: 'Cross-entropy in nats: mean over each image’s labelled pixels, then over the images.',
    scores: { score: 'loss', pooledAs: 'mean' },
  }),
];

/**
 * Scores logits of patches `[n, rows, columns, C]` against masks `[n, H, W]`, at the masks' resolution. An
 * image without a labelled pixel has NaN for scores of its own and counts in no mean.
 */
export function segmentationEvaluator(classNames: readonly string[]): Evaluator {
  const pooled = new SegmentationMetrics(classNames.length);
  let examples = 0;
  const overImages = { images: 0, mIoU: 0, loss: 0 };
  return {
    add({ prediction, targets }) {
      const mask = targets.mask!;
      checkShapes(prediction, mask, classNames.length);
      checkLogits(prediction);
      const { predicted, loss } = predictPixels(prediction, mask);
      pooled.add(predicted, mask.data);
      const count = mask.shape[0]!;
      const scores = imageScores(predicted, mask, classNames.length);
      examples += count;
      for (let i = 0; i < count; i++) {
        if (Number.isNaN(loss[i])) continue;
        overImages.images++;
        overImages.mIoU += scores.mIoU[i]!;
        overImages.loss += loss[i]!;
      }
      return { ...scores, loss };
    },
    result() {
      const { meanIoU, pixelAccuracy, meanClassAccuracy, labelledPixels, ...perClass } = pooled.result();
      const { images, mIoU, loss } = overImages;
      return {
        examples,
        values: {
          mIoU: meanIoU,
          pixelAccuracy,
          meanClassAccuracy,
          imageMIoU: mIoU / images,
          loss: loss / images,
        },
        intervals: {},
        chance: { pixelAccuracy: Math.max(...perClass.pixels) / labelledPixels },
        details: {
          labelledPixels,
          labelledImages: images,
          classes: classNames.map((name, c) => ({
            name,
            iou: perClass.iou[c],
            accuracy: perClass.accuracy[c],
            pixels: perClass.pixels[c],
          })),
        },
      };
    },
  };
}

/** The class of the largest logit per pixel `[n, H, W]`, of equal logits the first, and each image's loss `[n]`. */
function predictPixels(prediction: HostTensor, mask: HostTensor) {
  const [count, height, width] = mask.shape as [number, number, number];
  const [, rows, columns, channels] = prediction.shape as [number, number, number, number];
  const predicted = new Int32Array(mask.data.length);
  const loss = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const at = i * height * width;
    const size = rows * columns * channels;
    const data = prediction.data.subarray(i * size, (i + 1) * size);
    let sum = 0;
    let labelled = 0;
    forEachUpsampled({ data, rows, columns, channels }, [height, width], (pixel, logits) => {
      const best = argmax(logits);
      predicted[at + pixel] = best;
      const label = mask.data[at + pixel]!;
      if (label === ignoredPixel) return;
      labelled++;
      sum += crossEntropyOf(logits, label, logits[best]!);
    });
    loss[i] = sum / labelled;
  }
  return { predicted, loss };
}

/**
 * The class of the largest logit of each pixel, of equal logits the first.
 * @param prediction logits of patches, `[n, rows, columns, C]`
 * @returns `[n, H, W]`
 */
export function classesOf(
  { data, shape }: HostTensor,
  [height, width]: readonly [height: number, width: number],
): Int32Array {
  const [count, rows, columns, channels] = shape as [number, number, number, number];
  const size = rows * columns * channels;
  const classes = new Int32Array(count * height * width);
  for (let i = 0; i < count; i++) {
    const grid = { data: data.subarray(i * size, (i + 1) * size), rows, columns, channels };
    forEachUpsampled(grid, [height, width], (pixel, logits) => {
      classes[i * height * width + pixel] = argmax(logits);
    });
  }
  return classes;
}

function imageScores(predicted: Int32Array, mask: HostTensor, classes: number) {
  const count = mask.shape[0]!;
  const pixels = mask.data.length / count;
  const mIoU = new Float64Array(count).fill(Number.NaN);
  const pixelAccuracy = new Float64Array(count).fill(Number.NaN);
  const labelled = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const truth = mask.data.subarray(i * pixels, (i + 1) * pixels);
    if (truth.every((label) => label === ignoredPixel)) continue;
    const own = new SegmentationMetrics(classes);
    own.add(predicted.subarray(i * pixels, (i + 1) * pixels), truth);
    const scores = own.result();
    mIoU[i] = scores.meanIoU;
    pixelAccuracy[i] = scores.pixelAccuracy;
    labelled[i] = scores.labelledPixels;
  }
  return { mIoU, pixelAccuracy, pixels: labelled };
}

function argmax(values: Float64Array): number {
  let best = 0;
  for (let c = 1; c < values.length; c++) if (values[c]! > values[best]!) best = c;
  return best;
}

/** −ln softmax(logits)[label], nats. */
function crossEntropyOf(logits: Float64Array, label: number, largest: number): number {
  let sum = 0;
  for (let c = 0; c < logits.length; c++) sum += Math.exp(logits[c]! - largest);
  return Math.log(sum) + largest - logits[label]!;
}

function checkShapes(prediction: HostTensor, mask: HostTensor, classes: number): void {
  const fits =
    prediction.shape.length === 4 &&
    mask.shape.length === 3 &&
    prediction.shape[0] === mask.shape[0] &&
    prediction.shape[3] === classes;
  if (fits) return;
  throw new ShapeError('The logits do not fit the masks.', {
    where: 'prediction',
    expected: `logits [n, rows, columns, ${classes}] and masks [n, H, W]`,
    received: `logits ${formatShape(prediction.shape)} and masks ${formatShape(mask.shape)}`,
  });
}

function checkLogits({ data }: HostTensor): void {
  const bad = data.findIndex((logit) => !Number.isFinite(logit));
  if (bad < 0) return;
  throw new TrainingError('The logits are not finite.', {
    where: `prediction[${bad}]`,
    expected: 'finite numbers',
    received: String(data[bad]),
    fix: 'Lower the learning rate or clip the gradients.',
  });
}
