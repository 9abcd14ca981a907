import type { DoneRecord } from '@kora-bench/bench';
import type { ImageDataset } from '@kora-bench/core/data';
import { InputError, TrainingError } from '@kora-bench/core/errors';
import type { HostTensor } from '@kora-bench/core/graph';
import { vitArchitecture } from '@kora-bench/core/nn';
import type { MethodDefinition } from '@kora-bench/core/peft';
import adapterFusion from '@kora-bench/method-adapter-fusion';
import full from '@kora-bench/method-full';
import kora from '@kora-bench/method-kora';
import linearProbe from '@kora-bench/method-linear-probe';
import lora from '@kora-bench/method-lora';
import { toyVitConfig } from '@kora-bench/testing/vit-configs';
import { describe, expect, test } from 'vitest';
import { memoryDataset, memorySplit } from './memory-split.js';
import type { TinyCell } from './tiny-cell.js';
import {
  defaultDepth,
  defaultTarget,
  depthPhase,
  evaluationOf,
  metricOf,
  runTinyCell,
  sourcePhase,
  tinyCheckpoint,
  trainingOf,
  transferPhase,
} from './tiny-cell.js';

const probe = linearProbe as MethodDefinition;

/** A record without what differs between two runs on one machine. */
function numbersOf(record: DoneRecord): unknown {
  const measured = new Set([
    'startedAt',
    'finishedAt',
    'seconds',
    'stepSeconds',
    'imagesPerSecond',
    'peakMemoryBytes',
    'environment',
    'computedImages',
    'reusedImages',
    'pass',
    'dirty',
  ]);
  return JSON.parse(JSON.stringify(record, (key, value) => (measured.has(key) ? undefined : value)));
}

describe('a cell is a function of its configuration and seed', () => {
  test.each([kora, lora, adapterFusion, probe] as MethodDefinition[])('$name', async (method) => {
    const run = (seed: number) =>
      runTinyCell({
        method,
        seed,
        data: { source: memoryDataset({ train: 32, test: 12, classes: 4 }) },
        phases: [sourcePhase(), transferPhase(), depthPhase()],
      });
    const [first, again, other] = [await run(0), await run(0), await run(1)];
    expect(numbersOf(again)).toEqual(numbersOf(first));
    expect(trainingOf(other).stages).not.toEqual(trainingOf(first).stages);
  });
});

describe('batches', () => {
  /** Σ count·loss over one epoch in which nothing moves: the summed loss of all examples. */
  async function summedLoss(method: MethodDefinition, batchSize: number): Promise<number> {
    const record = await runTinyCell({
      method,
      data: { source: memoryDataset({ train: 10, test: 6, classes: 3 }) },
      training: { epochs: 1, batchSize, learningRate: 1e-12 },
    });
    const [stage] = trainingOf(record).stages;
    expect(stage!.losses).toHaveLength(Math.ceil(10 / batchSize));
    return stage!.losses.reduce(
      (sum, { loss, step }) => sum + loss * Math.min(batchSize, 10 - step * batchSize),
      0,
    );
  }

  test.each([probe, full as MethodDefinition])(
    'a partial last batch weighs by its examples: $name',
    async (method) => {
      const whole = await summedLoss(method, 10);
      for (const batchSize of [3, 4, 8]) expect(await summedLoss(method, batchSize)).toBeCloseTo(whole, 5);
    },
  );

  test('a partial last batch weighs by its examples in depth too', async () => {
    const sum = async (batchSize: number) => {
      const training = { epochs: 1, learningRate: 1e-12, batchSize };
      const record = await runTinyCell({ method: probe, phases: [sourcePhase(), depthPhase({ training })] });
      const { losses } = trainingOf(record, 'depth').stages[0]!;
      return losses.reduce(
        (total, { loss, step }) => total + loss * Math.min(batchSize, 10 - step * batchSize),
        0,
      );
    };
    expect(await sum(4)).toBeCloseTo(await sum(10), 4);
  });

  test('scores do not depend on the batch size', async () => {
    const score = async (batchSize: number) => {
      const training = { epochs: 1, batchSize, learningRate: 1e-12 };
      return runTinyCell({ method: probe, training });
    };
    const [small, large] = [await score(5), await score(30)];
    expect(evaluationOf(small).examples).toBe(12);
    expect(metricOf(small, 'loss')).toBeCloseTo(metricOf(large, 'loss'), 6);
    expect(metricOf(small, 'top1')).toBe(metricOf(large, 'top1'));
  });
});

describe('training that stops making sense', () => {
  test('a loss that is not finite', async () => {
    const name = 'blocks.0.attn.qkv.weight';
    const tensor = tinyCheckpoint.tensors.get(name)!;
    const broken: HostTensor = { ...tensor, data: Float32Array.from(tensor.data).fill(Number.NaN, 0, 1) };
    const checkpoint = {
      ...tinyCheckpoint,
      fingerprint: 'broken',
      tensors: new Map(tinyCheckpoint.tensors).set(name, broken),
    };
    const error = await failureOf({ method: probe, checkpoint });
    expect(error).toBeInstanceOf(TrainingError);
    expect(error).toMatchObject({ code: 'TRAINING', where: 'source', received: 'NaN' });
    expect((error as TrainingError).fix).toContain('learning rate');
  });

  test('parameters that the last update broke, after a last loss that was finite', async () => {
    const error = await failureOf({
      method: probe,
      data: { source: memoryDataset({ train: 6, test: 6, classes: 3 }) },
      training: {
        epochs: 1,
        batchSize: 6,
        learningRate: 10,
        optimizer: { kind: 'sgd', momentum: 0, weightDecay: 1e300 },
      },
    });
    expect(error).toMatchObject({ code: 'TRAINING', where: 'source' });
    expect(error.message).toContain('parameters');
  });

  test('depth of more metres than a number holds, from a log depth that is finite', async () => {
    // Each step turns the head's weights around and makes them a million times as large.
    const optimizer = { kind: 'sgd' as const, momentum: 0, weightDecay: 1e5 };
    const training = { epochs: 2, learningRate: 10, batchSize: 10, optimizer };
    const error = await failureOf({ method: probe, phases: [sourcePhase(), depthPhase({ training })] });
    expect(error).toMatchObject({
      code: 'TRAINING',
      message: expect.stringContaining('depth is not finite'),
    });
  });
});

describe('data that cannot work is refused before anything trains', () => {
  const steps: unknown[] = [];
  const report: NonNullable<TinyCell['report']> = (event) =>
    void (event.kind === 'step' && steps.push(event));

  async function refused(spec: Partial<TinyCell>): Promise<InputError> {
    steps.length = 0;
    const error = await failureOf({ method: probe, report, ...spec });
    expect(error).toBeInstanceOf(InputError);
    expect(steps).toEqual([]);
    return error as InputError;
  }

  test('a batch larger than the data', async () => {
    expect(await refused({ training: { batchSize: 31 } })).toMatchObject({
      message: 'The batch is larger than the data.',
      where: 'training.batchSize',
      received: '31',
      expected: expect.stringContaining('at most 30'),
    });
  });

  test('a batch larger than a limit leaves', async () => {
    const error = await refused({ config: { limits: { trainExamples: 6 } } });
    expect(error).toMatchObject({
      where: 'training.batchSize',
      expected: expect.stringContaining('at most 6'),
    });
  });

  test('a batch larger than the part of the classes that a stage trains on', async () => {
    const error = await refused({ method: adapterFusion as MethodDefinition, training: { batchSize: 15 } });
    expect(error).toMatchObject({
      where: 'training.batchSize',
      expected: expect.stringContaining('at most 10'),
    });
    expect(error.expected).toContain('adapter-0');
  });

  test('a batch larger than the transfer shots or the depth data', async () => {
    const few = transferPhase({
      protocol: { name: 'stratified', options: { perClass: 2 } },
      training: { batchSize: 9 },
    });
    const large = depthPhase({ training: { batchSize: 11 } });
    for (const phase of [few, large]) {
      const error = await refused({ phases: [sourcePhase(), phase] });
      expect(error).toMatchObject({ where: 'phases[1].training.batchSize' });
    }
  });

  test('more shots than a class has', async () => {
    const protocol = { name: 'stratified', options: { perClass: 9 } };
    const error = await refused({ phases: [sourcePhase(), transferPhase({ protocol })] });
    expect(error.message).toContain('fewer examples');
  });

  test('classes that don’t match the head', async () => {
    const { train } = memoryDataset({ train: 30, test: 6, classes: 3 });
    const { test } = memoryDataset({ train: 30, test: 12, classes: 4 });
    const mixed: ImageDataset = { name: 'mixed', train, test };
    expect(await refused({ data: { source: mixed } })).toMatchObject({
      where: 'phases[0].data',
      expected: expect.stringContaining('3 classes'),
      received: expect.stringContaining('4 classes'),
    });
    const outside = memorySplit({ split: 'test', classes: 3, labels: [0, 1, 2, 3] });
    expect(await refused({ data: { source: { name: 'outside', train, test: outside } } })).toMatchObject({
      where: 'phases[0].data: test/class3/3.png',
      received: 'label 3',
    });
  });

  test('a data set of another task', async () => {
    const refusal = await refused({ data: { source: defaultDepth() } });
    expect(refusal).toMatchObject({ where: 'phases[0].data', received: 'source, which has depth' });
    const error = await refused({
      data: { depth: defaultTarget() },
      phases: [sourcePhase(), depthPhase()],
    });
    expect(error).toMatchObject({ where: 'phases[1].data', received: 'depth, which has label' });
  });

  test('a split without the target that the data set’s others have', async () => {
    const { train } = memoryDataset({ train: 30, test: 6, classes: 3 });
    const { test } = defaultDepth();
    expect(await refused({ data: { source: { name: 'mixed', train, test } } })).toMatchObject({
      where: 'phases[0].data: the test split of mixed',
      expected: expect.stringContaining('label'),
      received: 'depth',
    });
  });

  test('a checkpoint whose shapes don’t fit its model', async () => {
    const checkpoint = { ...tinyCheckpoint, model: vitArchitecture({ ...toyVitConfig, width: 24 }) };
    const error = await failureOf({ method: probe, checkpoint });
    expect(error).toMatchObject({ code: 'INPUT', expected: expect.any(String) });
  });
});

async function failureOf(spec: TinyCell): Promise<Error> {
  try {
    await runTinyCell(spec);
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('The cell did not fail.');
}
