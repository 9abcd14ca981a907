import { classificationTask } from '@kora-bench/tasks';
import type { TrainMethodSpec, TrainObserver } from '@kora-bench/trainer';
import { classPart, finalStage, plannedStages, trainMethod } from '@kora-bench/trainer';
import { describe, expect, it } from 'vitest';
import {
  changed,
  everything,
  headAlone,
  preprocessing,
  staged,
  startWeights,
  toyContext,
  toySplit,
  training,
} from './toy.js';

const spec = (trains: TrainMethodSpec['trains']): TrainMethodSpec => ({
  name: 'phase',
  taskFor: ({ targets }) => classificationTask(targets.label!.classNames.length),
  split: toySplit(16).split,
  preprocessing,
  training: training({ epochs: 4 }),
  trains,
});

describe('what trains', () => {
  it('all: every stage in turn, and the head', async () => {
    const weights = startWeights(staged);
    const before = weights.fork();
    const results = await trainMethod(await toyContext({ method: staged }), weights, spec('all'));
    expect(results.map(({ name, epochs }) => [name, epochs])).toEqual([
      ['part', 1],
      ['whole', 4],
    ]);
    expect(changed(before, weights)).toEqual(['first', 'second', 'head.weight', 'head.bias']);
  });

  it('last-stage: the last stage alone, and the head', async () => {
    const weights = startWeights(staged);
    const before = weights.fork();
    const results = await trainMethod(await toyContext({ method: staged }), weights, spec('last-stage'));
    expect(results.map(({ name, epochs }) => [name, epochs])).toEqual([['whole', 4]]);
    expect(changed(before, weights)).toEqual(['second', 'head.weight', 'head.bias']);
  });

  it('head: the head alone, on the finished method', async () => {
    const weights = startWeights(staged);
    const before = weights.fork();
    const results = await trainMethod(await toyContext({ method: staged }), weights, spec('head'));
    expect(results.map(({ name, trainableParameters }) => [name, trainableParameters])).toEqual([
      ['head', 4 * 12 + 4],
    ]);
    expect(changed(before, weights)).toEqual(['head.weight', 'head.bias']);
  });

  it.each([
    ['head alone', headAlone, 2],
    ['every weight', everything, undefined],
  ])('the backbone’s weights where the method says so: %s', async (_, method, count) => {
    const weights = startWeights(method);
    const before = weights.fork();
    await trainMethod(await toyContext({ method }), weights, spec('all'));
    const moved = changed(before, weights);
    expect(moved).toHaveLength(count ?? [...before.values].length);
  });

  it('knows the stages before it trains', () => {
    const plan = (trains: TrainMethodSpec['trains']) =>
      plannedStages(staged, { trains, training: training({ epochs: 8 }) }).map(
        ({ stage, epochs }) => `${stage.name} ${epochs}`,
      );
    expect(plan('all')).toEqual(['part 2', 'whole 8']);
    expect(plan('last-stage')).toEqual(['whole 8']);
    expect(plan('head')).toEqual(['whole 8']);
    expect(finalStage(staged)).toBe('whole');
    expect(finalStage(headAlone)).toBe('train');
  });
});

describe('a stage on a part of the classes', () => {
  it('has a head of its own, which is thrown away', async () => {
    const weights = startWeights(staged);
    const start = weights.fork();
    const heads: number[][] = [];
    const starts: number[][] = [];
    const labels = new Set<number>();
    const observe = (name: string): TrainObserver[] => [
      {
        started({ layout }) {
          heads.push([...layout.entries.find((entry) => entry.name === 'head.weight')!.shape]);
        },
        stepped({ batch }) {
          if (name === 'phase/part') for (const label of batch.feeds['label']!.data) labels.add(label);
        },
        ended({ before }) {
          starts.push([...before.data]);
        },
      },
    ];
    const results = await trainMethod(await toyContext({ method: staged }), weights, spec('all'), observe);
    expect(heads).toEqual([
      [2, 12],
      [4, 12],
    ]);
    // 8 of the 16 examples for one epoch, then all of them for all four.
    expect(results.map(({ images }) => images)).toEqual([8, 64]);
    expect([...labels].toSorted()).toEqual([0, 1]);
    const head = start.get('head.weight').data;
    const at = starts[1]!.length - head.length - 4;
    expect(starts[1]!.slice(at, at + head.length)).toEqual([...head]);
  });

  it('takes the classes in label order, labelled from 0', () => {
    const { split } = toySplit(10, { classes: 5 });
    const parts = [0, 1].map((index) => classPart(split, { index, of: 2 }));
    expect(parts.map(({ targets }) => targets.label!.classNames)).toEqual([
      ['class 0', 'class 1'],
      ['class 2', 'class 3', 'class 4'],
    ]);
    expect(parts.map(({ paths }) => paths.length)).toEqual([4, 6]);
    expect([...parts[1]!.targets.label!.labels]).toEqual([0, 1, 2, 0, 1, 2]);
    expect(parts[1]!.paths[0]).toBe('train/2.png');
  });

  it('needs labels', () => {
    const { split } = toySplit(4, { depth: true });
    expect(() => classPart(split, { index: 0, of: 2 })).toThrow(/no label target in the data set toy/);
  });
});
