import { hostTensor, primaryMetric } from '@kora-bench/core';
import { classification, classificationTask, tasks } from '@kora-bench/tasks';
import { describe, expect, it } from 'vitest';
import { batchSize, evaluateIn, openToy, toyModel } from './toy.js';

const targets = {
  label: { classNames: ['cat', 'dog', 'eel'], labels: Int32Array.of(0, 1, 2) },
  value: { names: ['age'], values: Float32Array.of(1, 2, 3) },
  mask: { classNames: ['sky', 'wall'] },
  depth: {},
};

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

  it('takes the label smoothing of the training', async () => {
    const lossOf = async (labelSmoothing: number) => {
      const task = classification.create({ targets, labelSmoothing }, {});
      return (await (await openToy({ task, targets: { label } })).train()).loss;
    };
    expect(await lossOf(0.2)).not.toBeCloseTo(await lossOf(0), 5);
  });
});
