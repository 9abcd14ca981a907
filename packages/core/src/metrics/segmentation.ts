import { ignoredPixel } from '../data/targets.js';
import { InputError, ShapeError } from '../errors/kora-error.js';

export interface SegmentationResult {
  /** Width C of the head. */
  readonly classes: number;
  /** Pixels that belong to a class, over all images. */
  readonly labelledPixels: number;
  /** Mean of `iou` over the classes that have one. */
  readonly meanIoU: number;
  /** Share of labelled pixels that were given their class. */
  readonly pixelAccuracy: number;
  /** Mean of `accuracy` over the classes that have one. */
  readonly meanClassAccuracy: number;
  /** TP / (TP + FP + FN) by class; null for classes that neither occur nor were predicted. */
  readonly iou: readonly (number | null)[];
  /** TP / (TP + FN) by class: the share of its pixels that were found; null for classes that do not occur. */
  readonly accuracy: readonly (number | null)[];
  /** Labelled pixels by class. */
  readonly pixels: readonly number[];
}

/**
 * Semantic segmentation metrics over all labelled pixels of all images together, as Pascal VOC counts them
 * (Everingham et al. 2010), streamed over batches. Pixels without a class count nowhere, what
 * was predicted there included.
 *
 * `meanIoU` is torchmetrics' `MulticlassJaccardIndex(average='macro', ignore_index=-1)`; `meanClassAccuracy` is
 * Long et al. 2015, section 5, over the classes that occur. torchmetrics' `MulticlassAccuracy` differs there:
 * it counts a class that was predicted but does not occur as 0.
 */
export class SegmentationMetrics {
  // Float64 holds whole numbers to 2^53: more pixels than any data set has.
  readonly #hits: Float64Array;
  readonly #occurring: Float64Array;
  readonly #predicted: Float64Array;

  /** @param classes the width C of the head, at least 1 */
  constructor(readonly classes: number) {
    if (!Number.isSafeInteger(classes) || classes < 1) {
      throw new InputError('The number of classes is not valid.', {
        where: 'classes',
        expected: 'an integer from 1',
        received: String(classes),
      });
    }
    this.#hits = new Float64Array(classes);
    this.#occurring = new Float64Array(classes);
    this.#predicted = new Float64Array(classes);
  }

  /**
   * Adds any number of pixels; pixels that are refused leave the metrics as they were.
   * @param predicted classes from 0 to C − 1
   * @param mask true classes, as many; −1 where there is none
   * @throws ShapeError when the lengths differ, InputError for a class outside the head
   */
  add(predicted: ArrayLike<number>, mask: ArrayLike<number>): void {
    if (predicted.length !== mask.length) {
      throw new ShapeError('The predicted classes do not fit the mask.', {
        where: 'predicted',
        expected: `${mask.length} pixels`,
        received: `${predicted.length} pixels`,
      });
    }
    checkClasses(predicted, this.classes, { from: 0, where: 'predicted' });
    checkClasses(mask, this.classes, { from: ignoredPixel, where: 'mask' });
    for (let i = 0; i < mask.length; i++) {
      const [truth, guess] = [mask[i]!, predicted[i]!];
      if (truth === ignoredPixel) continue;
      this.#occurring[truth]! += 1;
      this.#predicted[guess]! += 1;
      if (truth === guess) this.#hits[truth]! += 1;
    }
  }

  /** @throws InputError when no labelled pixel was added */
  result(): SegmentationResult {
    const labelledPixels = total(this.#occurring);
    if (labelledPixels === 0) {
      throw new InputError('There is no pixel that belongs to a class.', {
        where: 'mask',
        expected: `at least one class from 0 to ${this.classes - 1}`,
        received: `${ignoredPixel} everywhere`,
      });
    }
    const hits = [...this.#hits];
    const union = hits.map((hit, c) => this.#occurring[c]! + this.#predicted[c]! - hit);
    const iou = hits.map((hit, c) => ratio(hit, union[c]!));
    const accuracy = hits.map((hit, c) => ratio(hit, this.#occurring[c]!));
    return {
      classes: this.classes,
      labelledPixels,
      meanIoU: meanOfKnown(iou),
      pixelAccuracy: total(this.#hits) / labelledPixels,
      meanClassAccuracy: meanOfKnown(accuracy),
      iou,
      accuracy,
      pixels: [...this.#occurring],
    };
  }
}

function checkClasses(
  values: ArrayLike<number>,
  classes: number,
  { from, where }: { readonly from: number; readonly where: string },
): void {
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (Number.isInteger(value) && value >= from && value < classes) continue;
    throw new InputError('A pixel has a class that the head does not have.', {
      where: `${where}[${i}]`,
      expected: `a class from 0 to ${classes - 1}${from < 0 ? `, or ${from} for none` : ''}`,
      received: String(value),
      fix: 'Give the data set a name for every class of its masks.',
    });
  }
}

function total(counts: Float64Array): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

function ratio(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole;
}

/** The mean of what is not null; there is at least one. */
function meanOfKnown(values: readonly (number | null)[]): number {
  const known = values.filter((value) => value !== null);
  return known.reduce((sum, value) => sum + value, 0) / known.length;
}
