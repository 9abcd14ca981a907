/**
 * Expected calibration error over equal-width bins of the predicted class's probability: the mean
 * over the examples of |accuracy − mean confidence| of their bin, bin m holding confidences in
 * ((m − 1)/M, m/M]. Source: Guo et al., "On calibration of modern neural networks" (ICML 2017), eq. 3.
 */
export class CalibrationBins {
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
