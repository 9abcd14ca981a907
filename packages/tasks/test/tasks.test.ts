import type { TargetKind } from '@kora-bench/core/data';
import type { HostTensor, HostTensors } from '@kora-bench/core/graph';
import { hostTensor } from '@kora-bench/core/graph';
import { primaryMetric } from '@kora-bench/core/training';
import { classification, classificationTask, tasks } from '@kora-bench/tasks';
import { describe, expect, it } from 'vitest';
import { batchSize, evaluateIn, onFeatures, openToy, toyModel } from './toy.js';

const targets = {
  label: { classNames: ['cat', 'dog', 'eel'], labels: Int32Array.of(0, 1, 2) },
  value: { names: ['age'], values: Float32Array.of(1, 2, 3) },
  mask: { classNames: ['sky', 'wall'] },
  depth: {},
};

/** Targets of a batch, of the kinds asked for. */
function batch(kinds: readonly TargetKind[]): HostTensors {
  const size = [batchSize, ...toyModel.imageSize];
  const pixels = size.reduce((product, extent) => product * extent, 1);
  const made: Record<TargetKind, HostTensor> = {
    label: hostTensor([batchSize], Int32Array.of(0, 2, 1)),
    value: hostTensor([batchSize, 1], Float64Array.of(1, 2, 3)),
    mask: hostTensor(
      size,
      Int32Array.from({ length: pixels }, (_, i) => (i % 7 === 0 ? -1 : Number(i % 12 > 5))),
    ),
    depth: hostTensor(
      size,
      Float64Array.from({ length: pixels }, (_, i) => (i % 7 === 0 ? 0 : 1 + (i % 12))),
    ),
  };
  return Object.fromEntries(kinds.map((kind) => [kind, made[kind]]));
}

describe.each(tasks.map((task) => [task.name, task] as const))('%s', (name, definition) => {
  const task = definition.create({ targets, labelSmoothing: 0 }, definition.options.parse({}));

  it('needs no options and refuses unknown ones by name', () => {
    expect(() => definition.options.parse({ colour: 'red' })).toThrow(/colour/);
  });

  it('says in words what it is and what each metric means', () => {
    expect(task.name).toBe(name);
    expect(definition.description).toMatch(/^[A-Z].+\.$/);
    for (const { description } of task.metrics) expect(description.length).toBeGreaterThan(20);
  });

  it('has metrics with keys of their own, of which one is primary and in the tables', () => {
    const keys = task.metrics.map(({ key }) => key);
    expect(new Set(keys).size).toBe(keys.length);
    expect(task.metrics.filter(({ primary }) => primary)).toEqual([primaryMetric(task.metrics)]);
    expect(primaryMetric(task.metrics).shown).toBe('table');
  });

  it('trains by the gradient that finite differences find', async () => {
    const toy = await openToy({ task, targets: batch(definition.targets), method: onFeatures });
    for (let step = 0; step < 3; step++) await toy.train(); // away from the start, where much is 0
    const places = [
      ['head.weight', 0],
      ['head.weight', 6],
      ['head.weight', 7],
      ['head.bias', 0],
      ['own', 9],
    ] as const;
    const slopes: number[] = [];
    for (const [parameter, at] of places) slopes.push(await toy.slope(parameter, at));
    const { gradients } = await toy.train();
    expect(slopes.some((slope) => Math.abs(slope) > 1e-3)).toBe(true);
    for (const [i, [parameter, at]] of places.entries()) {
      expect(gradients.get(parameter)!.data[at], parameter).toBeCloseTo(slopes[i]!, 7);
    }
  });

  it('names its parameters head.… and takes the targets it asks for', () => {
    for (const { name } of task.parameters(toyModel)) expect(name).toMatch(/^head\./);
    expect(task.targets(toyModel, 2).map(({ kind }) => kind)).toEqual(definition.targets);
  });
});

describe('classification', () => {
  const label = hostTensor([batchSize], Int32Array.of(0, 2, 1));

  it('learns a batch and scores it', async () => {
    const task = classificationTask(3);
    const toy = await openToy({ task, targets: { label }, learningRate: 0.5 });
    const { loss } = await toy.train();
    for (let step = 0; step < 150; step++) await toy.train();
    const { result, scores } = evaluateIn(task.evaluator(), await toy.predict(), { label }, 2);
    expect(result.values).toMatchObject({ top1: 1, macroF1: 1, top5: null });
    expect(result.values.loss!).toBeLessThan(0.5 * loss);
    expect(result.intervals.top1![1]).toBe(1);
    expect(scores.get('correct')).toEqual([1, 1, 1]);
    expect(scores.get('label')).toEqual([0, 2, 1]);
    expect(Object.keys(result.values).sort()).toEqual(task.metrics.map(({ key }) => key).sort());
  });

  it('says what the best constant answer scores: the share of the largest class, or of the five largest', () => {
    const chanceOf = (classes: number, labels: readonly number[]) => {
      const prediction = hostTensor([labels.length, classes], new Float32Array(labels.length * classes));
      const targets = { label: hostTensor([labels.length], Int32Array.from(labels)) };
      return evaluateIn(classificationTask(classes).evaluator(), prediction, targets, 2).result.chance;
    };
    expect(chanceOf(3, [0, 2, 2, 1])).toEqual({ top1: 0.5 });
    expect(chanceOf(6, [0, 1, 2, 3, 4, 5, 5, 5])).toEqual({ top1: 3 / 8, top5: 7 / 8 });
  });

  it('takes the label smoothing of the training', async () => {
    const lossOf = async (labelSmoothing: number) => {
      const task = classification.create({ targets, labelSmoothing }, {});
      return (await (await openToy({ task, targets: { label } })).train()).loss;
    };
    expect(await lossOf(0.2)).not.toBeCloseTo(await lossOf(0), 5);
  });
});
