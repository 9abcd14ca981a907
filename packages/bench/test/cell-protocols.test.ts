import { existsSync } from 'node:fs';
import type { DoneRecord } from '@kora-bench/bench';
import type { MethodDefinition } from '@kora-bench/core';
import { tinyImageNet } from '@kora-bench/datasets';
import linearProbe from '@kora-bench/method-linear-probe';
import { beforeAll, describe, expect, test } from 'vitest';
import type { MemorySplit } from './memory-split.js';
import { cyclicLabels, memorySplit } from './memory-split.js';
import { codesOf, findingOf, runTinyCell, temporaryFolder } from './tiny-cell.js';

const method = linearProbe as MethodDefinition;

/** Tiny ImageNet's layout in small: 4 classes in directory order, every leaf folder called `images`. */
function leafTarget() {
  const classes = 4;
  const train = memorySplit({
    dataset: 'leaves',
    split: 'train',
    classes,
    labels: Array.from({ length: 2000 }, (_, i) => Math.floor(i / 500)),
    pathOf: (i, label) => `train/n${label}/images/n${label}_${i}.JPEG`,
  });
  const val = memorySplit({
    dataset: 'leaves',
    split: 'val',
    classes,
    labels: cyclicLabels(40, classes),
    pathOf: (i) => `val/images/val_${i}.JPEG`,
  });
  return { name: 'leaves', train, val };
}

describe('as-published', () => {
  let record: DoneRecord;
  let train: MemorySplit;
  beforeAll(async () => {
    const target = leafTarget();
    train = target.train;
    record = await runTinyCell({
      method,
      target,
      config: { tasks: ['source', 'transfer'], protocols: ['as-published'] },
      // None of these are the protocol's own.
      transfer: { epochs: 3, learningRate: 0.05, batchSize: 8 },
      training: { optimizer: { kind: 'sgd' }, clipNorm: 0.5 },
    });
  });

  test('trains on the first 1000 files, in directory order and unshuffled', () => {
    expect(record.transfer[0]!.training.examples).toBe(1000);
    const firstPass = train.reads.slice(0, 1000);
    expect(firstPass).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    expect(Math.max(...train.reads)).toBeLessThan(1000);
  });

  test('trains one epoch at batch 32 and a constant rate of 1e-3, whatever the run says', () => {
    const [stage] = record.transfer[0]!.training.stages;
    expect(stage).toMatchObject({ epochs: 1, steps: 32, trainableParameters: 12 * 4 + 4 });
    expect(new Set(stage!.losses.map(({ learningRate }) => learningRate))).toEqual(new Set([1e-3]));
  });

  test('takes nothing of its recipe from the run', async () => {
    const plain = await runTinyCell({
      method,
      target: leafTarget(),
      config: { tasks: ['source', 'transfer'], protocols: ['as-published'] },
    });
    const losses = ({ transfer: [transfer] }: DoneRecord) => transfer!.training.stages[0]!.losses;
    expect(losses(plain)).toEqual(losses(record));
    expect(plain.transfer[0]!.protocolLabels).toEqual(record.transfer[0]!.protocolLabels);
  });

  test('scores one label for all, and prints the true accuracy beside it', () => {
    const { trueLabels, protocolLabels } = record.transfer[0]!;
    expect(protocolLabels).toMatchObject({ distinctLabels: 1, classes: 4, examples: 40 });
    expect(trueLabels).toMatchObject({ distinctLabels: 4, classes: 4, examples: 40 });
    expect(protocolLabels!.top1).toBeGreaterThan(0.9);
    expect(trueLabels.top1).toBeLessThan(0.5);
    const a = protocolLabels!.top1;
    expect(protocolLabels!.weightedF1).toBeCloseTo((2 * a) / (1 + a), 12);
  });

  test('is flagged for its single label, its subset and its normalisation', () => {
    const where = 'transfer/as-published';
    expect(codesOf(record).sort()).toEqual(
      [
        'DIRECTORY_ORDER_SUBSET',
        'EVALUATION_CLASSES',
        'MISSING_CLASSES',
        'NORMALIZATION_MISMATCH',
        'SINGLE_CLASS_F1',
      ].map((code) => `${code}@${where}`),
    );
    expect(findingOf(record, 'SINGLE_CLASS_F1').evidence['holds']).toBe(true);
    expect(findingOf(record, 'MISSING_CLASSES')).toMatchObject({
      severity: 'error',
      evidence: { present: 1 },
    });
    expect(findingOf(record, 'DIRECTORY_ORDER_SUBSET').evidence).toEqual({
      examples: 1000,
      of: 2000,
      trueClasses: 2,
      classes: 4,
    });
    expect(findingOf(record, 'NORMALIZATION_MISMATCH').evidence['used']).toEqual({
      mean: [0.485, 0.456, 0.406],
      std: [0.229, 0.224, 0.225],
    });
  });
});

test('stratified: k examples of every class under their true labels, and no findings', async () => {
  const target = leafTarget();
  const record = await runTinyCell({ method, target, transfer: { shotsPerClass: 5 } });
  const [transfer] = record.transfer;
  expect(transfer).toMatchObject({ protocol: 'stratified', protocolLabels: null });
  expect(transfer!.training.examples).toBe(20);
  const drawn = [...new Set(target.train.reads)];
  const perClass = [0, 1, 2, 3].map((label) => drawn.filter((i) => target.train.labels[i] === label).length);
  expect(perClass).toEqual([5, 5, 5, 5]);
  expect(transfer!.trueLabels.distinctLabels).toBe(4);
  expect(codesOf(record)).toEqual([]);
});

const dataDir = process.env['KORA_DATA_DIR'] ?? '';
const present = dataDir !== '' && existsSync(dataDir);

describe.skipIf(!present)(
  present ? 'Tiny ImageNet' : 'Tiny ImageNet (skipped: KORA_DATA_DIR names no folder)',
  () => {
    test('both protocols on the official layout', async () => {
      const cacheDir = temporaryFolder();
      const target = await tinyImageNet.open({ dataDir, cacheDir });
      const record = await runTinyCell({
        method,
        target,
        cacheDir,
        config: {
          tasks: ['source', 'transfer'],
          protocols: ['stratified', 'as-published'],
          limits: { valExamples: 400 },
        },
        transfer: { epochs: 1, learningRate: 0.01, batchSize: 32, shotsPerClass: 5 },
      });
      const [stratified, published] = record.transfer;
      expect(stratified!.training.examples).toBe(1000);
      expect(stratified!.trueLabels).toMatchObject({ classes: 200, distinctLabels: 200, examples: 400 });
      expect(published!.training.examples).toBe(1000);
      expect(published!.protocolLabels).toMatchObject({ classes: 200, distinctLabels: 1 });
      expect(published!.trueLabels.distinctLabels).toBe(200);
      expect(published!.trueLabels.top1).toBeLessThan(published!.protocolLabels!.top1);
      expect(findingOf(record, 'DIRECTORY_ORDER_SUBSET').evidence).toMatchObject({
        examples: 1000,
        trueClasses: 2,
        classes: 200,
      });
    }, 30_000);
  },
);
