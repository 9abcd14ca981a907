import { existsSync } from 'node:fs';
import type { DoneRecord } from '@kora-bench/bench';
import type { MethodDefinition } from '@kora-bench/core/peft';
import { tinyImageNet } from '@kora-bench/datasets';
import linearProbe from '@kora-bench/method-linear-probe';
import { beforeAll, describe, expect, test } from 'vitest';
import type { MemorySplit } from './memory-split.js';
import { cyclicLabels, memorySplit } from './memory-split.js';
import type { PhaseInput } from './tiny-cell.js';
import {
  codesOf,
  evaluationOf,
  findingOf,
  metricOf,
  phaseOf,
  runTinyCell,
  sourcePhase,
  temporaryFolder,
  trainingOf,
  transferPhase,
} from './tiny-cell.js';

const method = linearProbe as MethodDefinition;

const stratified = (perClass: number) => ({ name: 'stratified', options: { perClass } });
const asPublished = (changes: Partial<PhaseInput> = {}) =>
  transferPhase({ protocol: 'as-published', training: {}, ...changes });

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
  const test = memorySplit({
    dataset: 'leaves',
    split: 'test',
    classes,
    labels: cyclicLabels(40, classes),
    pathOf: (i) => `val/images/val_${i}.JPEG`,
  });
  const val = memorySplit({ dataset: 'leaves', split: 'val', classes, labels: cyclicLabels(4, classes) });
  return { name: 'leaves', train, val, test };
}

describe('as-published', () => {
  let record: DoneRecord;
  let train: MemorySplit;
  beforeAll(async () => {
    const target = leafTarget();
    train = target.train;
    record = await runTinyCell({
      method,
      data: { target },
      // None of these are the protocol's own.
      phases: [sourcePhase(), asPublished({ training: { epochs: 3, learningRate: 0.05, batchSize: 8 } })],
      training: { optimizer: { kind: 'sgd' }, clipNorm: 0.5 },
    });
  });

  test('trains on the first 1000 files, in directory order and unshuffled', () => {
    expect(trainingOf(record, 'transfer').examples).toBe(1000);
    const firstPass = train.reads.slice(0, 1000);
    expect(firstPass).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    expect(Math.max(...train.reads)).toBeLessThan(1000);
  });

  test('trains one epoch at batch 32 and a constant rate of 1e-3, whatever the run says', () => {
    const [stage] = trainingOf(record, 'transfer').stages;
    expect(stage).toMatchObject({ epochs: 1, steps: 32, trainableParameters: 12 * 4 + 4 });
    expect(new Set(stage!.losses.map(({ learningRate }) => learningRate))).toEqual(new Set([1e-3]));
  });

  test('takes nothing of its recipe from the run', async () => {
    const plain = await runTinyCell({
      method,
      data: { target: leafTarget() },
      phases: [sourcePhase(), asPublished()],
    });
    const losses = (of: DoneRecord) => trainingOf(of, 'transfer').stages[0]!.losses;
    expect(losses(plain)).toEqual(losses(record));
    expect(evaluationOf(plain, 'transfer', 'own labels')).toEqual(
      evaluationOf(record, 'transfer', 'own labels'),
    );
  });

  test('scores one label for all, and prints the true accuracy beside it', () => {
    const [trueLabels, ownLabels] = phaseOf(record, 'transfer').draws[0]!.evaluations;
    expect(ownLabels).toMatchObject({ examples: 40, details: { distinctLabels: 1, classes: 4 } });
    expect(trueLabels).toMatchObject({
      examples: 40,
      caveat: null,
      details: { distinctLabels: 4, classes: 4 },
    });
    expect(ownLabels!.caveat).toContain('does not measure transfer');
    const a = metricOf(record, 'top1', 'transfer', 'own labels');
    expect(a).toBeGreaterThan(0.9);
    expect(metricOf(record, 'top1', 'transfer', 'true labels')).toBeLessThan(0.5);
    expect(metricOf(record, 'weightedF1', 'transfer', 'own labels')).toBeCloseTo((2 * a) / (1 + a), 12);
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
  const record = await runTinyCell({
    method,
    data: { target },
    phases: [sourcePhase(), transferPhase({ protocol: stratified(5) })],
  });
  const { protocol, draws } = phaseOf(record, 'transfer');
  expect(protocol).toEqual({ name: 'stratified', options: { share: 0.01, perClass: 5 } });
  expect(draws[0]!.evaluations.map(({ name }) => name)).toEqual(['test']);
  expect(trainingOf(record, 'transfer').examples).toBe(20);
  const drawn = [...new Set(target.train.reads)];
  const perClass = [0, 1, 2, 3].map(
    (label) => drawn.filter((i) => target.train.targets.label!.labels[i] === label).length,
  );
  expect(perClass).toEqual([5, 5, 5, 5]);
  expect(evaluationOf(record, 'transfer').details['distinctLabels']).toBe(4);
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
      const training = { epochs: 1, learningRate: 0.01, batchSize: 32 };
      const record = await runTinyCell({
        method,
        data: { target },
        cacheDir,
        config: { limits: { testExamples: 400 } },
        phases: [
          sourcePhase(),
          transferPhase({ protocol: stratified(5), training }),
          asPublished({ name: 'transfer-as-published', training }),
        ],
      });
      expect(trainingOf(record, 'transfer').examples).toBe(1000);
      expect(evaluationOf(record, 'transfer')).toMatchObject({
        examples: 400,
        details: { classes: 200, distinctLabels: 200 },
      });
      const published = (evaluation: string) => evaluationOf(record, 'transfer-as-published', evaluation);
      expect(trainingOf(record, 'transfer-as-published').examples).toBe(1000);
      expect(published('own labels').details).toMatchObject({ classes: 200, distinctLabels: 1 });
      expect(published('true labels').details['distinctLabels']).toBe(200);
      expect(published('true labels').values['top1']).toBeLessThan(published('own labels').values['top1']!);
      expect(findingOf(record, 'DIRECTORY_ORDER_SUBSET').evidence).toMatchObject({
        examples: 1000,
        trueClasses: 2,
        classes: 200,
      });
    });
  },
);
