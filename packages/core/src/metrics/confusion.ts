/** How often examples of one class were given another (or the same). */
export interface ConfusionEntry {
  readonly label: number;
  readonly predicted: number;
  readonly count: number;
}

/** Confusion counts, sparse: a head of 21,843 classes needs no matrix of half a billion zeros. */
export class ConfusionCounts {
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
