import type { ImageDataset, SplitName } from '@kora-bench/core/data';
import { mul } from '@kora-bench/core/ops';
import type { MethodDefinition } from '@kora-bench/core/peft';
import adapterFusion from '@kora-bench/method-adapter-fusion';
import full from '@kora-bench/method-full';
import kora from '@kora-bench/method-kora';
import koraChain from '@kora-bench/method-kora-chain';
import linearProbe from '@kora-bench/method-linear-probe';
import lora from '@kora-bench/method-lora';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { cyclicLabels, memoryDataset, memorySplit } from './memory-split.js';
import {
  codesOf,
  findingOf,
  metricOf,
  phaseOf,
  runTinyCell,
  sourcePhase,
  transferPhase,
} from './tiny-cell.js';

const sound: readonly MethodDefinition[] = [
  linearProbe,
  full,
  lora,
  kora,
  koraChain,
  adapterFusion,
] as readonly MethodDefinition[];

describe('a sound cell has no findings but the method’s own caveats', () => {
  test.each(sound.map((method) => [method.name, method] as const))('%s', async (_name, method) => {
    const record = await runTinyCell({
      method,
      data: { source: memoryDataset({ train: 40, test: 12, classes: 4 }) },
      phases: [sourcePhase(), transferPhase()],
    });
    const caveats = method.caveats?.(method.options.parse({})) ?? [];
    expect(codesOf(record)).toEqual(caveats.map(({ code }) => `${code}@method`));
  });
});

describe('parameters', () => {
  test('UNUSED_PARAMETERS: the published LoRA counts adapters on a classifier that nothing uses', async () => {
    const record = await runTinyCell({
      method: lora as MethodDefinition,
      options: lora.presets!['published']!,
    });
    expect(codesOf(record)).toEqual(['UNUSED_PARAMETERS@source']);
    expect(findingOf(record, 'UNUSED_PARAMETERS').evidence).toEqual({
      parameters: ['unused_classifier.lora_A.weight', 'unused_classifier.lora_B.weight'],
      elements: 8 * (12 + 7),
    });
  });

  test('DEAD_START, NO_GRADIENT and NEVER_CHANGED: a zero gate on a zero delta never trains', async () => {
    const record = await runTinyCell({ method: kora as MethodDefinition, options: { init: 'dead' } });
    expect(codesOf(record).sort()).toEqual([
      'DEAD_START@source',
      'NEVER_CHANGED@source',
      'NO_GRADIENT@source',
    ]);
    const silent = findingOf(record, 'NO_GRADIENT').evidence['parameters'];
    expect(silent).toHaveLength(2 * 11);
    const still = findingOf(record, 'NEVER_CHANGED').evidence['parameters'] as string[];
    expect(still).toContain('blocks.1.attn.kora.gate');
    expect(still).toContain('blocks.0.attn.kora.q.lora_B');
  });

  test('a single step proves no missing gradient: LoRA’s A gets its first one in the second', async () => {
    const data = { source: memoryDataset({ train: 6, test: 6, classes: 3 }) };
    const training = { epochs: 1, batchSize: 6 };
    const record = await runTinyCell({ method: lora as MethodDefinition, data, training });
    expect(codesOf(record)).toEqual([]);
  });

  test('FROZEN_PROJECTION: a method’s own caveat becomes a finding, and only where it applies', async () => {
    const method = koraChain as MethodDefinition;
    const published = await runTinyCell({ method, options: koraChain.presets!['published']! });
    expect(findingOf(published, 'FROZEN_PROJECTION', 'method').severity).toBe('warning');
    const trained = await runTinyCell({ method, options: { trainFinalProjection: true } });
    expect(codesOf(trained)).not.toContain('FROZEN_PROJECTION@method');
  });

  test('adapters trained on a single class are told: their loss is 0 from the start', async () => {
    const record = await runTinyCell({ method: adapterFusion as MethodDefinition });
    expect(findingOf(record, 'DEAD_START', 'source/adapter-0').severity).toBe('error');
    expect(codesOf(record)).not.toContain('DEAD_START@source/adapter-1');
  });
});

describe('data', () => {
  const method = linearProbe as MethodDefinition;
  const classes = 3;
  const whole = (split: SplitName, length: number) =>
    memorySplit({ split, classes, labels: cyclicLabels(length, classes) });
  const dataset = (splits: Partial<ImageDataset>): ImageDataset => ({
    name: 'memory',
    train: whole('train', 24),
    val: whole('val', 3),
    test: whole('test', 12),
    ...splits,
  });

  test('MISSING_CLASSES: a class without training examples', async () => {
    const train = memorySplit({ split: 'train', classes, labels: cyclicLabels(24, 2) });
    const record = await runTinyCell({ method, data: { source: dataset({ train }) } });
    expect(codesOf(record)).toEqual(['MISSING_CLASSES@source']);
    const { evidence, severity } = findingOf(record, 'MISSING_CLASSES');
    expect(evidence).toEqual({ present: 2, classes: 3, examples: 24 });
    expect(severity).toBe('warning');
  });

  test('EVALUATION_CLASSES: a class that is never asked for', async () => {
    const test = memorySplit({ split: 'test', classes, labels: cyclicLabels(12, 2) });
    const record = await runTinyCell({ method, data: { source: dataset({ test }) } });
    expect(codesOf(record)).toEqual(['EVALUATION_CLASSES@source']);
    expect(findingOf(record, 'EVALUATION_CLASSES').evidence).toEqual({
      present: 2,
      classes: 3,
      examples: 12,
    });
  });

  test('SINGLE_CLASS_F1: with one true class, weighted F1 is 2a/(1 + a)', async () => {
    const test = memorySplit({ split: 'test', classes, labels: Array(40).fill(1) });
    // So little training that the one class is neither always right nor always wrong.
    const training = { epochs: 1, learningRate: 1e-4 };
    const record = await runTinyCell({ method, training, data: { source: dataset({ test }) } });
    const [top1, weightedF1] = [metricOf(record, 'top1'), metricOf(record, 'weightedF1')];
    expect(weightedF1).toBeCloseTo((2 * top1) / (1 + top1), 12);
    const finding = findingOf(record, 'SINGLE_CLASS_F1', 'source');
    expect(finding).toMatchObject({
      severity: 'error',
      evidence: { accuracy: top1, weightedF1, holds: true },
    });
    expect(findingOf(record, 'EVALUATION_CLASSES').severity).toBe('error');
  });

  test('TRAIN_TEST_OVERLAP: the same picture on both sides, found by its bytes', async () => {
    const labels = cyclicLabels(12, classes);
    const pictures = labels.map((_, i) => (i < 2 ? i : 500 + i));
    const test = memorySplit({ split: 'test', classes, labels, pictures });
    const record = await runTinyCell({ method, data: { source: dataset({ test }) } });
    expect(codesOf(record)).toEqual(['TRAIN_TEST_OVERLAP@source']);
    expect(findingOf(record, 'TRAIN_TEST_OVERLAP').evidence).toEqual({
      images: 2,
      examples: [
        { train: 'train/class0/0.png', evaluated: 'test/class0/0.png' },
        { train: 'train/class1/1.png', evaluated: 'test/class1/1.png' },
      ],
    });
  });

  test('NORMALIZATION_MISMATCH: mean and std other than the checkpoint’s', async () => {
    const config = { preprocessing: { mean: [0.485, 0.456, 0.406] as [number, number, number] } };
    const record = await runTinyCell({ method, config });
    expect(codesOf(record)).toEqual(['NORMALIZATION_MISMATCH@source']);
    expect(findingOf(record, 'NORMALIZATION_MISMATCH').evidence).toMatchObject({
      used: { mean: [0.485, 0.456, 0.406], std: [0.5, 0.5, 0.5] },
      checkpoint: { mean: [0.5, 0.5, 0.5] },
    });
    expect(phaseOf(record).preprocessing['mean']).toEqual([0.485, 0.456, 0.406]);
  });
});

describe('a method that does not do what it says', () => {
  /** LoRA with some of its parts replaced. */
  const lying = (parts: Partial<MethodDefinition>) => ({ ...(lora as MethodDefinition), ...parts });

  test('MERGE_CHANGES_PREDICTIONS: a merge that forgets half of the weights', async () => {
    const method = lying({
      merge: (...args) =>
        new Map([...lora.merge!(...(args as Parameters<NonNullable<typeof lora.merge>>))].slice(1)),
    });
    const record = await runTinyCell({ method, training: { epochs: 6, learningRate: 0.05 } });
    expect(codesOf(record)).toEqual(['MERGE_CHANGES_PREDICTIONS@source']);
    expect(findingOf(record, 'MERGE_CHANGES_PREDICTIONS')).toMatchObject({
      severity: 'error',
      evidence: { largestDifference: expect.any(Number) },
    });
  });

  test('START_IS_NOT_BACKBONE: unless the method says so', async () => {
    const attach: MethodDefinition['attach'] = () => ({
      value: ({ kind, value }) => (kind === 'norm1' ? mul(value, 2) : value),
    });
    const { merge: _, ...unmerged } = lora as MethodDefinition;
    const silent = { ...unmerged, attach, parameters: () => [] };
    expect(codesOf(await runTinyCell({ method: silent }))).toEqual(['START_IS_NOT_BACKBONE@source']);
    const honest = { ...silent, startsAtBackbone: () => false };
    expect(codesOf(await runTinyCell({ method: honest }))).toEqual([]);
  });

  test('TRAINED_NOT_COUNTED: parameters that are left out of the count and train', async () => {
    const method = lying({ uncounted: (name) => name.endsWith('lora_A.weight') });
    const record = await runTinyCell({ method });
    expect(findingOf(record, 'TRAINED_NOT_COUNTED').evidence['parameters']).toHaveLength(8);
  });

  test('OPTION_WITHOUT_EFFECT: an option that nothing reads', async () => {
    const { initialize: _, ...others } = lora as MethodDefinition;
    const method = {
      ...others,
      options: (lora.options as unknown as z.ZodObject).extend({ colour: z.string().default('red') }),
    };
    const record = await runTinyCell({ method, options: { rank: 2, colour: 'blue' } });
    expect(findingOf(record, 'OPTION_WITHOUT_EFFECT', 'method').evidence).toEqual({ options: ['colour'] });
  });
});
