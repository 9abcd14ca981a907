import { InputError, ShapeError, TrainingError } from '../errors/kora-error.js';

export interface DepthResult {
  /** Pixels with a known depth (target > 0), over all images. */
  readonly validPixels: number;
  /** Root of the mean squared error, in metres. */
  readonly rmse: number;
  /** Mean of |prediction − target| / target. */
  readonly absRel: number;
  /** Mean of |log₁₀ prediction − log₁₀ target|. */
  readonly log10: number;
  /** Root of the mean of d², with d = ln prediction − ln target. */
  readonly rmseLog: number;
  /** Shares of pixels with max(prediction/target, target/prediction) < 1.25, 1.25² and 1.25³. */
  readonly delta1: number;
  readonly delta2: number;
  readonly delta3: number;
  /** Mean of d² minus the square of the mean of d: Eigen's eq. 1 to 3, without a root. */
  readonly scaleInvariantLogError: number;
  /** Valid pixels predicted below {@link minLogDepth}, taken as that for the errors in log depth. */
  readonly clampedPixels: number;
}

/** Predictions below this many metres, negative ones included, have no useful logarithm. */
export const minLogDepth = 1e-3;

/**
 * Depth metrics pooled over all valid pixels of all images, streamed with float64 sums.
 * Source: Eigen, Puhrsch and Fergus, "Depth map prediction from a single image using a multi-scale
 * deep network" (NeurIPS 2014), section 4; log10: Saxena, Sun and Ng, "Make3D" (2009).
 */
export class DepthMetrics {
  #pixels = 0;
  #squaredError = 0;
  #relativeError = 0;
  #log10Error = 0;
  readonly #within = [0, 0, 0] as [number, number, number];
  #clamped = 0;
  #logMean = 0;
  #logSquares = 0;

  /**
   * Adds any number of pixels.
   * @param prediction depths in metres.
   * @param target depths in metres, of the same length; 0 and below mean unknown.
   * @throws ShapeError when the lengths differ.
   * @throws InputError when a target is not finite, TrainingError when a prediction is not.
   */
  add(prediction: Float32Array | Float64Array, target: Float32Array | Float64Array): void {
    if (prediction.length !== target.length) {
      throw new ShapeError('The predicted depth does not fit the target.', {
        where: 'prediction',
        expected: `${target.length} pixels`,
        received: `${prediction.length} pixels`,
      });
    }
    const badTarget = target.findIndex((depth) => !Number.isFinite(depth));
    if (badTarget >= 0) {
      throw new InputError('A target depth is not finite.', {
        where: `target[${badTarget}]`,
        expected: 'metres, or 0 where the depth is unknown',
        received: String(target[badTarget]),
      });
    }
    const badPrediction = prediction.findIndex((depth) => !Number.isFinite(depth));
    if (badPrediction >= 0) {
      throw new TrainingError('A predicted depth is not finite.', {
        where: `prediction[${badPrediction}]`,
        expected: 'metres',
        received: String(prediction[badPrediction]),
        fix: 'Lower the learning rate or clip the gradients.',
      });
    }
    for (let i = 0; i < target.length; i++) if (target[i]! > 0) this.#addPixel(prediction[i]!, target[i]!);
  }

  /** @throws InputError when no valid pixel was added. */
  result(): DepthResult {
    const n = this.#pixels;
    if (n === 0) {
      throw new InputError('There is no pixel with a known depth.', {
        where: 'target',
        expected: 'at least one depth above 0',
        received: '0 valid pixels',
      });
    }
    return {
      validPixels: n,
      rmse: Math.sqrt(this.#squaredError / n),
      absRel: this.#relativeError / n,
      log10: this.#log10Error / n,
      rmseLog: Math.sqrt(this.#logSquares / n + this.#logMean ** 2),
      delta1: this.#within[0] / n,
      delta2: this.#within[1] / n,
      delta3: this.#within[2] / n,
      scaleInvariantLogError: this.#logSquares / n,
      clampedPixels: this.#clamped,
    };
  }

  #addPixel(prediction: number, target: number): void {
    const error = prediction - target;
    this.#pixels++;
    this.#squaredError += error * error;
    this.#relativeError += Math.abs(error) / target;
    const factor = prediction > 0 ? Math.max(prediction / target, target / prediction) : Infinity;
    if (factor < 1.25) this.#within[0]++;
    if (factor < 1.25 ** 2) this.#within[1]++;
    if (factor < 1.25 ** 3) this.#within[2]++;
    if (prediction < minLogDepth) this.#clamped++;
    const difference = Math.log(Math.max(prediction, minLogDepth) / target);
    this.#log10Error += Math.abs(difference) / Math.LN10;
    // Welford's update: the difference of the two means would cancel.
    const fromMean = difference - this.#logMean;
    this.#logMean += fromMean / this.#pixels;
    this.#logSquares += fromMean * (difference - this.#logMean);
  }
}
