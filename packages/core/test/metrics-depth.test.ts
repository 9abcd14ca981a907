import { InputError, ShapeError, TrainingError } from '@kora-bench/core/errors';
import { DepthMetrics } from '@kora-bench/core/metrics';
import { describe, expect, it } from 'vitest';

const pixelCount = 500;
const target = Float32Array.from({ length: pixelCount }, (_, k) => ((k * 37) % 400) / 100);
const prediction = target.map((t, k) => (t === 0 ? 5 : t + (((k * 53) % 200) - 100) / 200));

describe('DepthMetrics', () => {
  // NumPy 2.4.6 in float64, by Eigen's formulas, over the same float32 inputs.
  it('gives the published formulas over valid pixels, whatever the batches', () => {
    for (const batch of [pixelCount, 7]) {
      const metrics = new DepthMetrics();
      for (let i = 0; i < pixelCount; i += batch) {
        metrics.add(prediction.subarray(i, i + batch), target.subarray(i, i + batch));
      }
      const result = metrics.result();
      expect(result.validPixels).toBe(498);
      expect(result.rmse).toBeCloseTo(0.2879568989894412, 7);
      expect(result.absRel).toBeCloseTo(0.40515516775629884, 7);
      expect(result.log10).toBeCloseTo(0.16086106725047777, 6);
      expect(result.rmseLog).toBeCloseTo(0.9541674516068045, 6);
      expect(result.delta1).toBeCloseTo(0.7188755020080321, 12);
      expect(result.delta2).toBeCloseTo(0.8493975903614458, 12);
      expect(result.delta3).toBeCloseTo(0.8955823293172691, 12);
      expect(result.scaleInvariantLogError).toBeCloseTo(0.8908542685874906, 6);
      expect(result.clampedPixels).toBe(14);
    }
  });

  it('has a log error that a common factor does not change', () => {
    const errorAt = (scale: number) => {
      const metrics = new DepthMetrics();
      metrics.add(
        target.map((t, k) => scale * (t + (k % 5))),
        target,
      );
      return metrics.result().scaleInvariantLogError;
    };
    expect(errorAt(8)).toBeCloseTo(errorAt(1), 6);
  });

  it('refuses bad input', () => {
    const metrics = new DepthMetrics();
    expect(() => metrics.add(new Float32Array(2), new Float32Array(3))).toThrow(ShapeError);
    expect(() => metrics.add(Float32Array.of(NaN), Float32Array.of(1))).toThrow(TrainingError);
    expect(() => metrics.add(Float32Array.of(1), Float32Array.of(Infinity))).toThrow(InputError);
    metrics.add(Float32Array.of(1), Float32Array.of(0));
    expect(() => metrics.result()).toThrow(/no pixel with a known depth/);
  });
});
