import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DoneRecord } from '@kora-bench/bench';
import { mergeResultSchema, runPage } from '@kora-bench/bench';
import type { MethodDefinition } from '@kora-bench/core/peft';
import { randomStream } from '@kora-bench/core/random';
import linearProbe from '@kora-bench/method-linear-probe';
import lora from '@kora-bench/method-lora';
import { parse } from 'csv-parse/sync';
import { describe, expect, test } from 'vitest';
import { memoryDataset } from './memory-split.js';
import type { PhaseInput } from './tiny-cell.js';
import {
  defaultSource,
  depthPhase,
  evaluationOf,
  metricOf,
  phaseOf,
  runTinyCell,
  sourcePhase,
  temporaryFolder,
  trainingOf,
  transferPhase,
} from './tiny-cell.js';

const probe = linearProbe as MethodDefinition;
const loraMethod = lora as MethodDefinition;
const names = ({ phases }: DoneRecord) => phases.map(({ name }) => name);

describe('phases', () => {
  test('run in the order of the configuration, each on its own data', async () => {
    const trained: string[] = [];
    const record = await runTinyCell({
      method: probe,
      phases: [depthPhase({ name: 'first', from: null }), sourcePhase({ name: 'second' })],
      report: (event) =>
        event.kind === 'step' && event.loss !== null && !trained.includes(event.phase)
          ? void trained.push(event.phase)
          : undefined,
    });
    expect(trained).toEqual(['first', 'second']);
    expect(record.phases.map(({ name, task, data }) => [name, task.name, data.dataset])).toEqual([
      ['first', 'depth', 'depth'],
      ['second', 'classification', 'memory'],
    ]);
  });

  test('a phase starts from the trained model of the one that it names, or from the backbone', async () => {
    // So little training that what a phase measures is what it started from.
    const still = { name: 'still', training: { epochs: 1, learningRate: 1e-12 } };
    const run = (from: string | null) =>
      runTinyCell({ method: loraMethod, phases: [sourcePhase(), sourcePhase({ ...still, from })] });
    const [trained, fresh] = [await run('source'), await run(null)];
    expect(phaseOf(trained, 'still').from).toBe('source');
    expect(metricOf(trained, 'loss', 'still')).not.toBe(metricOf(fresh, 'loss', 'still'));
    // A new head each time, the same by the seed.
    const { stages } = trainingOf(trained, 'still');
    expect(stages[0]!.trainableParameters).toBe(trainingOf(fresh, 'still').stages[0]!.trainableParameters);
  });

  test('two phases start from the same model: the first changes nothing of what the second starts from', async () => {
    const second = sourcePhase({ name: 'second', from: 'source' });
    const strong = sourcePhase({ name: 'first', from: 'source', training: { learningRate: 1 } });
    const run = (...between: (typeof second)[]) =>
      runTinyCell({ method: loraMethod, phases: [sourcePhase(), ...between, second] });
    const [alone, after] = [await run(), await run(strong)];
    expect(trainingOf(after, 'second').stages).toEqual(trainingOf(alone, 'second').stages);
    expect(evaluationOf(after, 'second')).toEqual(evaluationOf(alone, 'second'));
  });

  test('a head alone changes nothing of the model that it starts from', async () => {
    const training = { epochs: 4, learningRate: 1, batchSize: 8 };
    const phases = [sourcePhase(), transferPhase({ training })];
    const look = async (phase: string) => {
      const analyses = [
        { name: 'cka', options: { examples: 8, phase: 'source' } },
        { name: 'merge', options: { phase } },
      ];
      return runTinyCell({ method: loraMethod, phases, analyses });
    };
    const alone = await runTinyCell({ method: loraMethod });
    const both = await look('transfer');
    expect(both.analyses['cka']).toEqual(alone.analyses['cka']);
    expect(evaluationOf(both)).toEqual(evaluationOf(alone));
    expect(trainingOf(both, 'transfer').stages).toMatchObject([
      { name: 'head', trainableParameters: 12 * 4 + 4 },
    ]);
    // The method still is what the source phase trained: folded in, it predicts as it does unfolded.
    expect(mergeResultSchema.parse(both.analyses['merge']).error).toBeLessThan(1e-6);
  });

  test('an analysis that names no phase looks at the first one that is scored', async () => {
    const record = await runTinyCell({
      method: probe,
      phases: [sourcePhase({ evaluate: [] }), depthPhase({ from: 'source' })],
      analyses: [{ name: 'cka', options: { examples: 8 } }],
    });
    expect(record.analyses['cka']!['phase']).toBe('depth');
    expect(phaseOf(record, 'source').draws[0]!.evaluations).toEqual([]);
  });

  test('a suite of depth alone trains and evaluates depth alone', async () => {
    const record = await runTinyCell({ method: probe, phases: [depthPhase({ from: null })], analyses: [] });
    expect(names(record)).toEqual(['depth']);
    expect(record.analyses).toEqual({});
    expect(phaseOf(record, 'depth').from).toBeNull();
  });

  test('an analysis looks at the phase that it names', async () => {
    const phases = [sourcePhase(), transferPhase()];
    const look = async (phase: string) =>
      (
        await runTinyCell({
          method: probe,
          phases,
          analyses: [{ name: 'cka', options: { phase, examples: 8 } }],
        })
      ).analyses['cka']!;
    const [source, transfer] = [await look('source'), await look('transfer')];
    expect([source['phase'], transfer['phase']]).toEqual(['source', 'transfer']);
    expect(transfer['biased']).not.toEqual(source['biased']);
  });

  test('a phase’s own training, limits and normalisation hold for it alone', async () => {
    const mean: [number, number, number] = [0.1, 0.2, 0.3];
    const record = await runTinyCell({
      method: probe,
      phases: [
        sourcePhase(),
        sourcePhase({
          name: 'own',
          training: { epochs: 3, batchSize: 5 },
          limits: { trainExamples: 9, testExamples: 6 },
          preprocessing: { mean },
        }),
      ],
    });
    expect(trainingOf(record, 'source').stages[0]).toMatchObject({ epochs: 2, steps: 2 * 4 });
    expect(trainingOf(record, 'own').stages[0]).toMatchObject({ epochs: 3, steps: 3 * 2 });
    expect([evaluationOf(record, 'source').examples, evaluationOf(record, 'own').examples]).toEqual([12, 6]);
    expect(phaseOf(record, 'own').preprocessing['mean']).toEqual(mean);
    expect(phaseOf(record, 'source').preprocessing['mean']).toEqual([0.5, 0.5, 0.5]);
  });
});

describe('a phase that trains nothing', () => {
  const retention = (changes: Partial<PhaseInput> = {}) =>
    sourcePhase({ name: 'retention', from: 'adapt', trains: 'nothing', headOf: 'source', ...changes });
  const adapt = (learningRate: number) =>
    sourcePhase({ name: 'adapt', from: 'source', data: 'target', training: { learningRate } });

  test('scores a later model under an earlier head, and tells what was forgotten', async () => {
    const runDir = temporaryFolder();
    const phases = [sourcePhase(), adapt(1), retention()];
    const record = await runTinyCell({ method: loraMethod, phases, runDir, analyses: [] });
    const phase = phaseOf(record, 'retention');
    expect(phase).toMatchObject({ trains: 'nothing', headOf: 'source', from: 'adapt' });
    expect(phase.draws[0]!.training).toBeNull();
    const [before, after] = [metricOf(record, 'top1'), metricOf(record, 'top1', 'retention')];
    expect(metricOf(record, 'loss', 'retention')).not.toBe(metricOf(record, 'loss'));
    expect(metricOf(record, 'forgetting', 'retention')).toBeCloseTo(before - after, 12);
    const { scores } = evaluationOf(record, 'retention');
    const rows = parse(readFileSync(join(runDir, scores!), 'utf8'), { columns: true }) as Record<
      string,
      string
    >[];
    const forgotten = rows.reduce((sum, row) => sum + Number(row['forgetting']), 0) / rows.length;
    expect(forgotten).toBeCloseTo(before - after, 12);
    const page = runPage('x', [record]);
    expect(page).toContain('the model of adapt under the head of source; nothing is trained');
  });

  test('finds the model as it was where nothing in between changed it', async () => {
    const phases = [sourcePhase(), adapt(1), retention({ from: 'source' })];
    const record = await runTinyCell({ method: loraMethod, phases, analyses: [] });
    const { values, scores: _, ...same } = evaluationOf(record, 'retention');
    const { scores: __, ...before } = evaluationOf(record);
    expect({ ...same, values }).toEqual({ ...before, values: { ...before.values, forgetting: 0 } });
  });

  test.each([
    ['no model to look at', { from: null }, 'from', /earlier phase/],
    ['no head', { headOf: undefined }, 'headOf', /source/],
    ['the head of other data', { headOf: 'adapt' }, 'headOf', /same task and data: source/],
    ['a head although it trains one', { trains: 'all' as const }, 'headOf', /"trains": "nothing"/],
  ])('%s: refused by name', async (_title, changes, field, expected) => {
    const phases = [sourcePhase(), adapt(0.01), retention(changes)];
    await expect(runTinyCell({ method: loraMethod, phases, analyses: [] })).rejects.toMatchObject({
      code: 'INPUT',
      where: `phases[2].${field}`,
      expected: expect.stringMatching(expected),
    });
  });
});

describe('the stream of shuffles', () => {
  const losses = async (changes: Partial<ReturnType<typeof transferPhase>>, others: string[] = []) => {
    const name = changes.name ?? 'transfer';
    const more = others.map((other) => transferPhase({ name: other }));
    const phases = [sourcePhase(), ...more, transferPhase(changes)];
    const record = await runTinyCell({ method: probe, phases, analyses: [] });
    return trainingOf(record, name).stages[0]!.losses.map(({ loss }) => loss);
  };

  test.each([
    ['source', 'source', 'source'],
    ['transfer', 'target', 'transfer/stratified'],
    ['depth', 'depth', 'depth'],
  ])('of the phase %s keeps its name, so that numbers stay comparable', async (name, used, stream) => {
    // What is flipped cannot be kept, so pixels are read in the order of training.
    const training = { epochs: 1, batchSize: 4, augmentation: 'flip' as const };
    const own = { ...training, learningRate: 0.01 };
    const data = {
      source: memoryDataset({ train: 12, test: 6, classes: 3 }),
      target: memoryDataset({ train: 32, test: 8, classes: 4 }, { dataset: 'target' }),
      depth: memoryDataset({ train: 8, test: 4, classes: 1 }, { dataset: 'depth', target: 'depth' }),
    };
    const phases = [sourcePhase(), transferPhase({ training: own }), depthPhase({ training: own })];
    const record = await runTinyCell({ method: probe, data, phases, training, analyses: [], seed: 5 });
    const { reads } = data[used as keyof typeof data].train;
    const drawn = [...new Set(reads)].sort((a, b) => a - b);
    expect(drawn).toHaveLength(trainingOf(record, name).examples);
    const order = randomStream(5, `shuffle/${stream}/0`).permutation(drawn.length);
    expect(reads).toEqual(Array.from(order, (place) => drawn[place]));
  });

  test('of a transfer phase is the same whether one protocol runs or several', async () => {
    expect(await losses({ name: 'transfer-stratified' })).toEqual(await losses({}));
  });

  test('is each phase’s own where two take their examples alike', async () => {
    const own = await losses({ name: 'transfer-stratified' }, ['transfer']);
    expect(own).not.toEqual(await losses({}));
  });
});

describe('few-shot', () => {
  const protocol = { name: 'few-shot', options: { perClass: 2, draws: 3 } };

  test('trains anew on other examples in each draw, and the table shows the mean over the draws', async () => {
    const source = memoryDataset({ train: 60, test: 30, classes: 3 });
    const record = await runTinyCell({
      method: probe,
      data: { source },
      phases: [sourcePhase({ protocol, training: { batchSize: 6 } })],
      analyses: [],
    });
    const { draws } = phaseOf(record);
    expect(draws.map(({ train }) => train.examples)).toEqual([6, 6, 6]);
    expect(new Set(draws.map(({ train }) => train.fingerprint)).size).toBe(3);
    expect(new Set(draws.map(({ training }) => training!.stages[0]!.losses[0]!.loss)).size).toBe(3);
    const losses = draws.map(({ evaluations }) => evaluations[0]!.values['loss']!);
    const { summarizeRun } = await import('@kora-bench/bench');
    const [row] = summarizeRun('', null, [record]).rows;
    const { estimate } = row!.scores.find(({ metric }) => metric.key === 'loss')!;
    expect(estimate!.measurements).toBe(3);
    expect(estimate!.value).toBeCloseTo((losses[0]! + losses[1]! + losses[2]!) / 3, 12);
  });

  test('no draw of another seed repeats one', async () => {
    const fingerprints = async (seed: number) => {
      const source = memoryDataset({ train: 60, test: 12, classes: 3 });
      const phases = [sourcePhase({ protocol, training: { batchSize: 6 } })];
      const record = await runTinyCell({ method: probe, seed, data: { source }, phases, analyses: [] });
      return phaseOf(record).draws.map(({ train }) => train.fingerprint);
    };
    expect(new Set([...(await fingerprints(0)), ...(await fingerprints(1))]).size).toBe(6);
  });
});

describe('validation examples', () => {
  const withoutVal = () => memoryDataset({ train: 30, val: 0, test: 12, classes: 3 });
  const run = (changes: Parameters<typeof sourcePhase>[0], source = withoutVal()) =>
    runTinyCell({ method: probe, data: { source }, phases: [sourcePhase(changes)], analyses: [] });

  test('are set aside from the training examples where there are none, and the record notes it', async () => {
    const record = await run({});
    expect(trainingOf(record).examples).toBe(27);
    const { notes, splits } = phaseOf(record).data;
    expect(notes).toContainEqual(
      'memory has no validation split: 3 of its 30 training examples were set aside as one, by seed 0.',
    );
    expect(splits).toMatchObject({ train: { examples: 30 }, test: { examples: 12 } });
  });

  test('carveValidation: false trains on every example, and the record notes nothing', async () => {
    const record = await run({ protocol: { name: 'full', options: { carveValidation: false } } });
    expect(trainingOf(record).examples).toBe(30);
    expect(phaseOf(record).data.notes.join()).not.toContain('set aside');
  });

  test('evaluate: ["val", "test"] scores both, each on its own examples', async () => {
    const source = memoryDataset({ train: 30, val: 9, test: 12, classes: 3 });
    const record = await run({ evaluate: ['val', 'test'] }, source);
    expect(
      phaseOf(record).draws[0]!.evaluations.map(({ name, split, examples }) => [name, split, examples]),
    ).toEqual([
      ['val', 'val', 9],
      ['test', 'test', 12],
    ]);
    expect(metricOf(record, 'loss', 'source', 'val')).not.toBe(metricOf(record, 'loss', 'source', 'test'));
  });

  test('evaluate: [] trains and scores nothing', async () => {
    const runDir = temporaryFolder();
    const record = await runTinyCell({
      method: probe,
      runDir,
      phases: [sourcePhase({ evaluate: [] })],
      analyses: [],
    });
    expect(trainingOf(record).stages[0]!.steps).toBeGreaterThan(0);
    expect(phaseOf(record).draws[0]!.evaluations).toEqual([]);
    expect(existsSync(join(runDir, 'scores'))).toBe(false);
  });
});

describe('scores of every example', () => {
  const rowsOf = (runDir: string, file: string | null) =>
    parse(readFileSync(join(runDir, file!), 'utf8'), { columns: true }) as Record<string, string>[];

  test('give the accuracy and the loss of the record back', async () => {
    const runDir = temporaryFolder();
    const source = memoryDataset(
      { train: 30, test: 12, classes: 3 },
      { pathOf: (i, label) => `a "quoted", path/${label}/${i}.png` },
    );
    const record = await runTinyCell({ method: probe, runDir, data: { source } });
    const { scores } = evaluationOf(record);
    const rows = rowsOf(runDir, scores);
    expect(rows.map(({ path }) => path)).toEqual(source.test.paths);
    expect(rows.map(({ label }) => Number(label))).toEqual([...source.test.targets.label!.labels]);
    for (const { label, predicted, correct } of rows)
      expect(Number(correct)).toBe(Number(label === predicted));
    const mean = (column: string) => rows.reduce((sum, row) => sum + Number(row[column]), 0) / rows.length;
    expect(mean('correct')).toBe(metricOf(record, 'top1'));
    expect(mean('loss')).toBeCloseTo(metricOf(record, 'loss'), 7);
  });

  test('are a file for each evaluation of each phase and draw', async () => {
    const runDir = temporaryFolder();
    const record = await runTinyCell({
      method: probe,
      runDir,
      data: { source: defaultSource() },
      phases: [
        sourcePhase({
          protocol: { name: 'few-shot', options: { perClass: 3, draws: 2 } },
          evaluate: ['val', 'test'],
        }),
        transferPhase({ protocol: 'as-published', training: {} }),
      ],
      analyses: [],
    });
    const named = record.phases.flatMap(({ draws }) =>
      draws.flatMap(({ evaluations }) => evaluations.map(({ scores }) => scores!)),
    );
    expect(named).toHaveLength(2 * 2 + 2);
    expect(named).toContain('scores/tiny.source.1.val.csv');
    expect(named).toContain('scores/tiny.transfer.own-labels.csv');
    expect(readdirSync(join(runDir, 'scores')).map((name) => `scores/${name}`)).toEqual(named.toSorted());
    for (const phase of record.phases)
      for (const { evaluations } of phase.draws)
        for (const { scores, examples } of evaluations) expect(rowsOf(runDir, scores)).toHaveLength(examples);
  });
});
