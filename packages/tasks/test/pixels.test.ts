import { depthTask, segmentationTask } from '@kora-bench/tasks';
import { expect, test } from 'vitest';

const f32 = (shape: readonly number[], data: readonly number[]) =>
  ({ shape, dtype: 'f32', data: Float32Array.from(data) }) as const;

test('the pixels of a segmentation are the classes of the largest logits, interpolated from the patches', () => {
  const task = segmentationTask({ classNames: ['ground', 'disc'] });
  // Two images of one row of two patches: the first ground then disc, the second disc alone.
  const logits = f32([2, 1, 2, 2], [5, 0, 0, 5, 0, 1, 0, 1]);
  const { kind, values } = task.pixels!(logits, [1, 4]);
  expect(kind).toBe('mask');
  expect([...Array.from(values)]).toEqual([0, 0, 1, 1, 1, 1, 1, 1]);
});

test('the pixels of depth are metres, capped as they are for scores', () => {
  const { kind, values } = depthTask({ maximum: 10 }).pixels!(
    f32([1, 1, 2], [Math.log(2), Math.log(50)]),
    [1, 2],
  );
  expect(kind).toBe('depth');
  expect(values[0]).toBeCloseTo(2, 6);
  expect(values[1]).toBe(10);
});
