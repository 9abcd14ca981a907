import { InputError, ShapeError, TrainingError } from '../errors/kora-error.js';

export interface DepthResult {
  /** Pixels with a known depth (target > 0), over all images. */
  readonly validPixels: number;
  /** Root of the mean squared error, in metres. */
  readonly rmse: number;
  /** Mean of |prediction − target| / target. */
  readonly absRel: number;
  /** Fraction of pixels with max(prediction/target, target/prediction) < 1.25. */
  readonly delta125: number;
  /**
   * Mean of d² minus the square of the mean of d, with d = ln prediction − ln target: Eigen's eq. 1
   * to 3, without a root.
   */
  readonly scaleInvariantLogError: number;
  /** Valid pixels predicted below {@link MIN_LOG_DEPTH}, taken as that for the log error. */
  readonly clampedPixels: number;
}

/** Predictions below this many metres, negative ones included, have no useful logarithm. */
export const MIN_LOG_DEPTH = 1e-3;

/**
 * Depth metrics pooled over all valid pixels of all images, streamed with float64 sums.
 * Source: Eigen, Puhrsch and Fergus, "Depth map prediction from a single image using a multi-scale
 * deep network" (NeurIPS 2014), section 4.
 */
export class DepthMetrics {
  #pixels = 0;
  #squaredError = 0;
  #relativeError = 0;
  #within = 0;
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
  add(prediction: Float32Array, target: Float32Array): void {
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
      delta125: this.#within / n,
      scaleInvariantLogError: this.#logSquares / n,
      clampedPixels: this.#clamped,
    };
  }

  #addPixel(prediction: number, target: number): void {
    const error = prediction - target;
    this.#pixels++;
    this.#squaredError += error * error;
    this.#relativeError += Math.abs(error) / target;
    if (prediction > 0 && Math.max(prediction / target, target / prediction) < 1.25) this.#within++;
    if (prediction < MIN_LOG_DEPTH) this.#clamped++;
    // Welford's update: the difference of the two means would cancel.
    const difference = Math.log(Math.max(prediction, MIN_LOG_DEPTH) / target);
    const fromMean = difference - this.#logMean;
    this.#logMean += fromMean / this.#pixels;
    this.#logSquares += fromMean * (difference - this.#logMean);
  }
}
