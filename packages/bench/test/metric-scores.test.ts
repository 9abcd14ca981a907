import { pooledValue } from '@kora-bench/comparison';
import { randomStream } from '@kora-bench/core/random';
import type { EvaluationBatch, Task } from '@kora-bench/core/training';
import { classificationTask, depthTask, regressionTask, segmentationTask } from '@kora-bench/tasks';
import { expect, test } from 'vitest';

const count = 12;
const random = (label: string, shape: readonly number[], least = -2) => {
  const stream = randomStream(0, label);
  const size = shape.reduce((product, extent) => product * extent, 1);
  return {
    dtype: 'f32' as const,
    shape,
    data: Float32Array.from({ length: size }, () => least + 4 * stream.uniform()),
  };
};
const whole = (label: string, shape: readonly number[], below: number) => ({
  dtype: 'i32' as const,
  shape,
  data: Int32Array.from(random(label, shape, 0).data, (value) => Math.floor((value / 4) * below)),
});
/** Depth that is not measured everywhere: the pixels of images count differently. */
const depth = random('depth', [count, 4, 4], 1);
for (let i = 0; i < depth.data.length; i += 3) if (i % 5 < 3) depth.data[i] = 0;

const tasks: readonly { readonly name: string; readonly task: Task; readonly batch: EvaluationBatch }[] = [
  {
    name: 'classification',
    task: classificationTask(7),
    batch: { prediction: random('logits', [count, 7]), targets: { label: whole('labels', [count], 7) } },
  },
  {
    name: 'depth',
    task: depthTask(),
    batch: { prediction: random('log depth', [count, 4, 4], 0), targets: { depth } },
  },
  {
    name: 'segmentation',
    task: segmentationTask({ classNames: ['a', 'b', 'c'] }),
    batch: {
      prediction: random('patches', [count, 2, 2, 3]),
      targets: { mask: whole('mask', [count, 4, 4], 3) },
    },
  },
  {
    name: 'regression',
    task: regressionTask(['x'], { mean: [0], deviation: [1] }),
    batch: { prediction: random('x', [count, 1]), targets: { value: random('truth', [count, 1]) } },
  },
];

test.each(tasks)('$name: metrics follow from the scores that they name', ({ task, batch }) => {
  const evaluator = task.evaluator();
  const scores = evaluator.add(batch);
  const { values } = evaluator.result();
  const linked = task.metrics.flatMap(({ key, scores: link }) => (link ? [{ key, link }] : []));
  expect(linked.length).toBeGreaterThan(0);
  for (const { key, link } of linked) {
    expect(scores[link.score], link.score).toBeDefined();
    if (link.pooledAs === 'related') continue;
    const weights = link.weight === undefined ? undefined : scores[link.weight]!;
    expect(pooledValue(scores[link.score]!, link.pooledAs, weights), key).toBeCloseTo(values[key]!, 6);
  }
});
