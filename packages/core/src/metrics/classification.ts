import { InputError, ShapeError, TrainingError } from '../errors/kora-error.js';

/** All fractions lie in [0, 1]. */
export interface ClassificationResult {
  /** Examples seen. */
  readonly examples: number;
  /** Width C of the head. */
  readonly classes: number;
  /** Fraction of examples whose largest logit is the label's; of equal logits the first is largest. */
  readonly top1: number;
  /** Fraction whose label is among the five largest logits; null for C ≤ 5, where it is always 1. */
  readonly top5: number | null;
  /** Mean of the per-class F1 over the classes that occur as label or as prediction. */
  readonly macroF1: number;
  /** The same, weighted by each class's number of examples. */
  readonly weightedF1: number;
  /** See {@link CalibrationBins}. */
  readonly expectedCalibrationError: number;
  /** Mean of −ln softmax(logits)[label], in nats. */
  readonly meanCrossEntropy: number;
  /** Classes that occur as a label. */
  readonly distinctTrueClasses: number;
  /** Classes that occur as a prediction. */
  readonly distinctPredictedClasses: number;
  /** Share of the examples of the largest class. */
  readonly largestClassShare: number;
  /** Share of the examples of the five largest classes; null for C ≤ 5. */
  readonly fiveLargestClassesShare: number | null;
  /** The confusion counts that are not 0, by label, then by prediction. */
  readonly confusion: readonly ConfusionEntry[];
}

/** What a batch says of each of its examples. */
export interface ExampleScores {
  /** The class of the largest logit, `[B]`. */
  readonly predicted: Int32Array;
  /** −ln softmax(logits)[label], nats, `[B]`. */
  readonly loss: Float64Array;
  /** The min(5, C) most probable classes, the most probable first, `[B, min(5, C)]`. */
  readonly topClasses: Int32Array;
  /** Their probabilities in [0, 1], `[B, min(5, C)]`. */
  readonly topProbabilities: Float64Array;
}

/**
 * Single-label classification metrics, streamed over batches with float64 sums.
 * F1 follows scikit-learn's `f1_score` with its default `labels` and `zero_division=0`.
 */
export class ClassificationMetrics {
  readonly #confusion: ConfusionCounts;
  readonly #calibration = new CalibrationBins(15);
  #examples = 0;
  #inTop5 = 0;
  #crossEntropy = 0;

  /** @param classes the width C of the head, at least 1. */
  constructor(readonly classes: number) {
    if (!Number.isSafeInteger(classes) || classes < 1) {
      throw new InputError('The number of classes is not valid.', {
        where: 'classes',
        expected: 'an integer from 1',
        received: String(classes),
      });
    }
    this.#confusion = new ConfusionCounts(classes);
  }

  /**
   * Adds a batch; a batch that is refused leaves the metrics as they were.
   * @param logits [B, C], row-major.
   * @param labels [B], each from 0 to C − 1.
   * @throws ShapeError when `logits` is not B × C long.
   * @throws InputError when a label is outside the head.
   * @throws TrainingError when a logit is NaN or +∞.
   */
  add(logits: Float32Array, labels: Int32Array): ExampleScores {
    this.#check(logits, labels);
    const predicted = new Int32Array(labels.length);
    const loss = new Float64Array(labels.length);
    const kept = Math.min(5, this.classes);
    const topClasses = new Int32Array(labels.length * kept);
    const topProbabilities = new Float64Array(labels.length * kept);
    for (let example = 0; example < labels.length; example++) {
      const scores = this.#addExample(logits, example * this.classes, labels[example]!);
      predicted[example] = scores.predicted;
      loss[example] = scores.loss;
      for (const [place, c] of scores.top.entries()) {
        topClasses[example * kept + place] = c;
        topProbabilities[example * kept + place] = scores.probability(c);
      }
    }
    return { predicted, loss, topClasses, topProbabilities };
  }

  /** @throws InputError when no example was added. */
  result(): ClassificationResult {
    const n = this.#examples;
    if (n === 0) {
      throw new InputError('There is no example to evaluate.', {
        where: 'evaluation set',
        expected: 'at least one example',
        received: '0 examples',
      });
    }
    return {
      examples: n,
      classes: this.classes,
      top1: this.#confusion.correct() / n,
      top5: this.classes > 5 ? this.#inTop5 / n : null,
      ...this.#confusion.f1(),
      expectedCalibrationError: this.#calibration.expectedError(),
      meanCrossEntropy: this.#crossEntropy / n,
      distinctTrueClasses: this.#confusion.distinctTrue(),
      distinctPredictedClasses: this.#confusion.distinctPredicted(),
      largestClassShare: this.#confusion.largest(1) / n,
      fiveLargestClassesShare: this.classes > 5 ? this.#confusion.largest(5) / n : null,
      confusion: this.#confusion.entries(),
    };
  }

  #addExample(logits: Float32Array, row: number, label: number): ExampleResult {
    const ofLabel = logits[row + label]!;
    let predicted = 0;
    let rank = 0;
    for (let c = 0; c < this.classes; c++) {
      const logit = logits[row + c]!;
      if (logit > logits[row + predicted]!) predicted = c;
      if (logit > ofLabel || (logit === ofLabel && c < label)) rank++;
    }
    const largest = logits[row + predicted]!;
    let sum = 0;
    for (let c = 0; c < this.classes; c++) sum += Math.exp(logits[row + c]! - largest);

    this.#examples++;
    if (rank < 5) this.#inTop5++;
    const loss = Math.log(sum) + largest - ofLabel;
    this.#crossEntropy += loss;
    this.#confusion.add(label, predicted);
    this.#calibration.add(1 / sum, predicted === label);
    return {
      predicted,
      loss,
      top: largestFive(logits.subarray(row, row + this.classes)),
      probability: (c) => Math.exp(logits[row + c]! - largest) / sum,
    };
  }

  #check(logits: Float32Array, labels: Int32Array): void {
    const { classes } = this;
    if (logits.length !== labels.length * classes) {
      throw new ShapeError('The logits do not fit the labels.', {
        where: 'logits',
        expected: `${labels.length * classes} numbers for [${labels.length}, ${classes}]`,
        received: `${logits.length} numbers`,
      });
    }
    for (let i = 0; i < labels.length; i++) {
      if (labels[i]! < 0 || labels[i]! >= classes) {
        throw new InputError('A label is outside the head.', {
          where: `labels[${i}]`,
          expected: `a class from 0 to ${classes - 1}`,
          received: String(labels[i]),
          fix: 'Give the model a head as wide as the data set has classes.',
        });
      }
    }
    const bad = logits.findIndex((logit) => Number.isNaN(logit) || logit === Infinity);
    const row = Math.floor(bad / classes) * classes;
    const masked = bad >= 0 ? -1 : firstFullyMaskedRow(logits, classes);
    if (bad >= 0 || masked >= 0) {
      throw new TrainingError('The logits are not finite.', {
        where: bad >= 0 ? `logits[${row / classes}, ${bad - row}]` : `logits[${masked}]`,
        expected: 'finite numbers',
        received: bad >= 0 ? String(logits[bad]) : 'a row of −Infinity',
        fix: 'Lower the learning rate or clip the gradients.',
      });
    }
  }
}

interface ExampleResult {
  readonly predicted: number;
  readonly loss: number;
  /** The largest logits' classes, at most five. */
  readonly top: readonly number[];
  /** Of a class. */
  probability(c: number): number;
}

/** Indices of the five largest values, the largest first; of equal ones the first is larger. */
function largestFive(values: Float32Array): number[] {
  const top: number[] = [];
  for (let c = 0; c < values.length; c++) {
    if (top.length === 5 && !(values[c]! > values[top[4]!]!)) continue;
    let place = top.length;
    while (place > 0 && values[c]! > values[top[place - 1]!]!) place--;
    top.splice(place, 0, c);
    if (top.length > 5) top.pop();
  }
  return top;
}

function firstFullyMaskedRow(logits: Float32Array, classes: number): number {
  for (let row = 0; row * classes < logits.length; row++) {
    let c = 0;
    while (c < classes && logits[row * classes + c] === -Infinity) c++;
    if (c === classes) return row;
  }
  return -1;
}

/** How often examples of one class were given another (or the same). */
export interface ConfusionEntry {
  readonly label: number;
  readonly predicted: number;
  readonly count: number;
}

/** Confusion counts, sparse: a head of 21,843 classes needs no matrix of half a billion zeros. */
class ConfusionCounts {
  readonly #cells = new Map<number, number>();
  readonly #correct: Float64Array;
  readonly #ofLabel: Float64Array;
  readonly #ofPrediction: Float64Array;

  constructor(readonly classes: number) {
    this.#correct = new Float64Array(classes);
    this.#ofLabel = new Float64Array(classes);
    this.#ofPrediction = new Float64Array(classes);
  }

  add(label: number, predicted: number): void {
    const cell = label * this.classes + predicted;
    this.#cells.set(cell, (this.#cells.get(cell) ?? 0) + 1);
    this.#ofLabel[label]! += 1;
    this.#ofPrediction[predicted]! += 1;
    if (label === predicted) this.#correct[label]! += 1;
  }

  correct(): number {
    return this.#correct.reduce((sum, count) => sum + count, 0);
  }

  /** Examples of the `count` largest classes together. */
  largest(count: number): number {
    return this.#ofLabel
      .toSorted((a, b) => b - a)
      .subarray(0, count)
      .reduce((sum, examples) => sum + examples, 0);
  }

  distinctTrue(): number {
    return this.#ofLabel.filter((count) => count > 0).length;
  }

  distinctPredicted(): number {
    return this.#ofPrediction.filter((count) => count > 0).length;
  }

  /**
   * F1 = 2·TP / (2·TP + FP + FN) per class that occurs as label or prediction, averaged plainly
   * (macro) and by number of examples (weighted). NaN before the first example.
   */
  f1(): { macroF1: number; weightedF1: number } {
    let occurring = 0;
    let examples = 0;
    let sum = 0;
    let weightedSum = 0;
    for (let c = 0; c < this.classes; c++) {
      const either = this.#ofLabel[c]! + this.#ofPrediction[c]!;
      if (either === 0) continue;
      const f1 = (2 * this.#correct[c]!) / either;
      occurring++;
      examples += this.#ofLabel[c]!;
      sum += f1;
      weightedSum += f1 * this.#ofLabel[c]!;
    }
    return { macroF1: sum / occurring, weightedF1: weightedSum / examples };
  }

  /** The counts that are not 0, by label, then by prediction. */
  entries(): ConfusionEntry[] {
    return [...this.#cells]
      .sort(([a], [b]) => a - b)
      .map(([cell, count]) => ({
        label: Math.floor(cell / this.classes),
        predicted: cell % this.classes,
        count,
      }));
  }
}

/**
 * Expected calibration error over equal-width bins of the predicted class's probability: the mean
 * over the examples of |accuracy − mean confidence| of their bin, bin m holding confidences in
 * ((m − 1)/M, m/M]. Source: Guo et al., "On calibration of modern neural networks" (ICML 2017), eq. 3.
 */
class CalibrationBins {
  readonly #confidence: Float64Array;
  readonly #correct: Float64Array;
  #examples = 0;

  /** @param bins the number M of bins; the paper uses 15. */
  constructor(readonly bins: number) {
    this.#confidence = new Float64Array(bins);
    this.#correct = new Float64Array(bins);
  }

  /** @param confidence the largest softmax probability, in (0, 1]. */
  add(confidence: number, correct: boolean): void {
    const bin = Math.min(this.bins - 1, Math.max(0, Math.ceil(confidence * this.bins) - 1));
    this.#confidence[bin]! += confidence;
    if (correct) this.#correct[bin]! += 1;
    this.#examples++;
  }

  /** NaN before the first example. */
  expectedError(): number {
    let sum = 0;
    for (let bin = 0; bin < this.bins; bin++) sum += Math.abs(this.#correct[bin]! - this.#confidence[bin]!);
    return sum / this.#examples;
  }
}
