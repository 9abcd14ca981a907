import { InputError, ShapeError } from '@kora-bench/core/errors';
import { SegmentationMetrics } from '@kora-bench/core/metrics';
import { describe, expect, it } from 'vitest';

/** Classes 0 to 4; 3 is predicted but never there, 4 is nowhere. */
const mask = Int32Array.of(0, 0, 0, 1, 1, 2, -1, -1, 2, 2);
const predicted = Int32Array.of(0, 0, 1, 1, 3, 2, 4, 0, 2, 0);

describe('SegmentationMetrics', () => {
  it('counts all labelled pixels together, whatever the batches', () => {
    for (const batch of [10, 3]) {
      const metrics = new SegmentationMetrics(5);
      for (let i = 0; i < 10; i += batch) {
        metrics.add(predicted.subarray(i, i + batch), mask.subarray(i, i + batch));
      }
      const result = metrics.result();
      expect(result).toMatchObject({ classes: 5, labelledPixels: 8, pixels: [3, 2, 3, 0, 0] });
      expect(result.iou).toEqual([2 / 4, 1 / 3, 2 / 3, 0, null]);
      expect(result.accuracy).toEqual([2 / 3, 1 / 2, 2 / 3, null, null]);
      expect(result.meanIoU).toBeCloseTo((2 / 4 + 1 / 3 + 2 / 3 + 0) / 4, 15);
      expect(result.meanClassAccuracy).toBeCloseTo((2 / 3 + 1 / 2 + 2 / 3) / 3, 15);
      expect(result.pixelAccuracy).toBe(5 / 8);
    }
  });

  it('refuses bad input', () => {
    expect(() => new SegmentationMetrics(0)).toThrow(InputError);
    const metrics = new SegmentationMetrics(5);
    expect(() => metrics.add(predicted, mask.subarray(1))).toThrow(ShapeError);
    expect(() => metrics.add([5], [0])).toThrow(expect.objectContaining({ where: 'predicted[0]' }));
    expect(() => metrics.add([-1], [0])).toThrow(InputError);
    expect(() => metrics.add([0], [5])).toThrow(expect.objectContaining({ where: 'mask[0]', received: '5' }));
    metrics.add([0, 1], [-1, -1]);
    expect(() => metrics.result()).toThrow(/no pixel that belongs to a class/);
  });
});
