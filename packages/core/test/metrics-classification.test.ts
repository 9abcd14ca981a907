import { InputError, ShapeError, TrainingError } from '@kora-bench/core/errors';
import { ClassificationMetrics } from '@kora-bench/core/metrics';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const examples = 60;
const classCount = 7;

/** 60 × 7 logits by an integer formula that Python repeats, no two equal; class 2 is never predicted, 6 never true. */
function fixture(): { logits: Float32Array; labels: Int32Array } {
  const logits = new Float32Array(examples * classCount);
  for (let i = 0; i < examples; i++) {
    for (let c = 0; c < classCount; c++) {
      logits[i * classCount + c] =
        ((i * 7919 + c * 104729 + i * c * 31) % 1000) / 200 - c / 4096 - (c === 2 ? 10 : 0);
    }
  }
  const labels = Int32Array.from(
    { length: examples },
    (_, i) => (i * 7 + Math.floor(i / 3)) % (classCount - 1),
  );
  return { logits, labels };
}

/** One-hot logits that predict these classes. */
function predicting(classes: number, predicted: readonly number[]): Float32Array {
  const logits = new Float32Array(classes * predicted.length);
  predicted.forEach((c, i) => {
    logits[i * classes + c] = 1;
  });
  return logits;
}

describe('ClassificationMetrics', () => {
  it('says of each example its five most probable classes, of equal ones the first', () => {
    const logits = Float32Array.of(0, 3, 1, 3, -1, 2, 0, 5, 4, 3, 2, 1, 0, -1);
    const { topClasses, topProbabilities } = new ClassificationMetrics(7).add(logits, Int32Array.of(0, 0));
    expect([...topClasses]).toEqual([1, 3, 5, 2, 0, 0, 1, 2, 3, 4]);
    const sum = [0, 3, 1, 3, -1, 2, 0].reduce((total, logit) => total + Math.exp(logit), 0);
    expect(topProbabilities[0]).toBeCloseTo(Math.exp(3) / sum, 12);
    expect(topProbabilities[4]).toBeCloseTo(1 / sum, 12);
    const few = new ClassificationMetrics(2).add(Float32Array.of(0, 1), Int32Array.of(0));
    expect([...few.topClasses]).toEqual([1, 0]);
    expect(few.topProbabilities[0]! + few.topProbabilities[1]!).toBeCloseTo(1, 12);
  });

  // scikit-learn 1.9.1: f1_score(zero_division=0), top_k_accuracy_score, log_loss; the calibration
  // error by Guo's formula in NumPy 2.4.6.
  it("gives scikit-learn's numbers", () => {
    const metrics = new ClassificationMetrics(classCount);
    const { logits, labels } = fixture();
    metrics.add(logits, labels);
    const result = metrics.result();
    expect(result.top1).toBeCloseTo(0.2, 12);
    expect(result.top5).toBeCloseTo(2 / 3, 12);
    expect(result.macroF1).toBeCloseTo(0.17139644463482545, 12);
    expect(result.weightedF1).toBeCloseTo(0.18954897551224387, 12);
    expect(result.meanCrossEntropy).toBeCloseTo(4.610518491203476, 9);
    expect(result.expectedCalibrationError).toBeCloseTo(0.29735354977916567, 9);
    expect(result.distinctTrueClasses).toBe(6);
    expect(result.distinctPredictedClasses).toBe(6);
    expect(result.confusion.reduce((sum, { count }) => sum + count, 0)).toBe(examples);
  });

  it('does not depend on the batches', () => {
    const { logits, labels } = fixture();
    const whole = new ClassificationMetrics(classCount);
    whole.add(logits, labels);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: examples }), (batch) => {
        const parts = new ClassificationMetrics(classCount);
        for (let i = 0; i < examples; i += batch) {
          parts.add(logits.subarray(i * classCount, (i + batch) * classCount), labels.subarray(i, i + batch));
        }
        expect(parts.result()).toEqual(whole.result());
      }),
    );
  });

  it('has a weighted F1 of 2a/(1 + a) where only one class is true', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), fc.nat(30), (right, wrong) => {
        const predicted = [
          ...new Array(right).fill(0),
          ...Array.from({ length: wrong }, (_, i) => 1 + (i % 3)),
        ];
        const metrics = new ClassificationMetrics(4);
        metrics.add(predicting(4, predicted), new Int32Array(predicted.length));
        const { top1, weightedF1, distinctTrueClasses } = metrics.result();
        expect(weightedF1).toBeCloseTo((2 * top1) / (1 + top1), 12);
        expect(distinctTrueClasses).toBe(1);
      }),
    );
  });

  it('lists the confusions', () => {
    const metrics = new ClassificationMetrics(3);
    metrics.add(predicting(3, [0, 2, 2, 1]), Int32Array.of(0, 1, 1, 1));
    expect(metrics.result().confusion).toEqual([
      { label: 0, predicted: 0, count: 1 },
      { label: 1, predicted: 1, count: 1 },
      { label: 1, predicted: 2, count: 2 },
    ]);
  });

  it('knows no top 5 of five classes, and survives logits that overflow exp', () => {
    const metrics = new ClassificationMetrics(5);
    metrics.add(Float32Array.of(1e30, 0, 0, 0, -1e30), Int32Array.of(0));
    expect(metrics.result()).toMatchObject({ top5: null, meanCrossEntropy: 0, expectedCalibrationError: 0 });
  });

  it('refuses bad input, names it and keeps what it had', () => {
    const metrics = new ClassificationMetrics(3);
    expect(() => metrics.result()).toThrow(InputError);
    metrics.add(predicting(3, [1]), Int32Array.of(1));
    const before = metrics.result();
    const outside = () => metrics.add(predicting(3, [0, 0]), Int32Array.of(0, 3));
    expect(outside).toThrow(InputError);
    expect(outside).toThrow(expect.objectContaining({ where: 'labels[1]', received: '3' }));
    expect(() => metrics.add(predicting(3, [0]), Int32Array.of(-1))).toThrow(InputError);
    expect(() => metrics.add(predicting(3, [0]), Int32Array.of(0, 0))).toThrow(ShapeError);
    const diverged = () => metrics.add(Float32Array.of(0, 0, 0, 0, NaN, 0), Int32Array.of(0, 0));
    expect(diverged).toThrow(TrainingError);
    expect(diverged).toThrow(expect.objectContaining({ where: 'logits[1, 1]' }));
    const masked = Float32Array.of(-Infinity, -Infinity, -Infinity);
    expect(() => metrics.add(masked, Int32Array.of(0))).toThrow(TrainingError);
    expect(metrics.result()).toEqual(before);
    expect(() => new ClassificationMetrics(0)).toThrow(InputError);
  });
});
