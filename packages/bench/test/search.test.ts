import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DoneRecord, RunConfigInput } from '@kora-bench/bench';
import {
  loadSuite,
  planCells,
  readPlan,
  readRecords,
  resolveConfig,
  runPage,
  summarizeRun,
  summaryText,
} from '@kora-bench/bench';
import type { MethodDefinition } from '@kora-bench/core/peft';
import linearProbe from '@kora-bench/method-linear-probe';
import { describe, expect, test, vi } from 'vitest';
import { bench, fakeSuite, fixture, startBench, temporaryFolder, until } from './fake-run.js';
import type { MemorySplit } from './memory-split.js';
import { memoryDataset } from './memory-split.js';
import { codesOf, evaluationOf, findingOf, runTinyCell, sourcePhase } from './tiny-cell.js';

// Each test starts several processes, and a machine that is busy with others starts them slowly.
vi.setConfig({ testTimeout: 240_000 });

const rates = ['--learning-rates', '0.01,0.001,0.003'];

/** A suite of LoRAs; what their fake cells do is the first word of the label. */
function searchSuite(folder: string, labels: readonly string[], changes: object = {}): string {
  const methods = labels.map((label, index) => ({ name: 'lora', label, options: { rank: index + 1 } }));
  return fakeSuite(folder, [], { methods, ...changes });
}

const recordsIn = async (runDir: string) => {
  const { cells } = await readPlan(runDir);
  return readRecords(
    runDir,
    cells.map(({ id }) => id),
  );
};
const doneIn = async (runDir: string) =>
  (await recordsIn(runDir)).filter((record): record is DoneRecord => record.status === 'done');
const linesOf = (path: string) => readFileSync(path, 'utf8').trim().split('\n');

describe('--learning-rates', () => {
  test.concurrent('trains once with each rate and the first seed, and takes the best on val for every seed', async () => {
    const folder = temporaryFolder();
    const run = join(folder, 'run');
    const suite = searchSuite(folder, ['done'], { seeds: [4, 5] });
    const { code, stdout, stderr } = await bench(folder, '--suite', suite, ...rates, '--out', run);
    expect(code, stderr).toBe(0);
    const search = join(run, 'search');
    const trials = await readPlan(search);
    expect(trials.cells.map(({ learningRate, seed }) => [learningRate, seed])).toEqual([
      [0.001, 4],
      [0.003, 4],
      [0.01, 4],
    ]);
    const records = await doneIn(run);
    // By test, 0.001 or 0.01 would have been the better one.
    expect(records.map(({ cell }) => [cell.seed, cell.learningRate])).toEqual([
      [4, 0.003],
      [5, 0.003],
    ]);
    const [first] = records;
    expect(first!.search).toEqual({
      phase: 'source',
      split: 'val',
      seed: 4,
      metric: 'top1',
      examples: 50,
      tried: trials.cells.map(({ id, learningRate }) => ({
        learningRate,
        value: expect.closeTo(0.5 - Math.abs(Math.log10(learningRate! / 0.003)) / 10, 9),
        cell: id,
        error: null,
      })),
      chosen: 0.003,
      edge: null,
    });
    expect(stdout).toMatch(/^done +0\.003 +2 /m);
    expect(stdout).toContain(
      'best of 3 by top-1 on 50 val images of source, with seed 4; test had no part in it',
    );
    expect(stderr).toContain('Search for the learning rates: 3 trainings of the phase source, scored on val');
  });

  test.concurrent('trials see nothing but the first phase and val', async () => {
    const folder = temporaryFolder();
    const run = join(folder, 'run');
    const { code } = await bench(folder, '--suite', searchSuite(folder, ['done']), ...rates, '--out', run);
    expect(code).toBe(0);
    const { config } = await readPlan(join(run, 'search'));
    expect(config.phases.map(({ name, evaluate }) => [name, evaluate])).toEqual([['source', ['val']]]);
    expect(config.analyses).toEqual([]);
    expect((await readPlan(run)).config.phases.map(({ evaluate }) => evaluate)).toEqual([
      ['test'],
      ['test'],
      ['test'],
    ]);
  });

  test.concurrent('training that breaks off rules a rate out, and is no failure of the run', async () => {
    const folder = temporaryFolder();
    const run = join(folder, 'run');
    const suite = searchSuite(folder, ['diverges']);
    const { code, stderr } = await bench(folder, '--suite', suite, ...rates, '--out', run);
    expect(code, stderr).toBe(0);
    const [record] = await doneIn(run);
    expect(record!.search!.tried.map(({ value, error }) => [value !== null, error])).toEqual([
      [true, null],
      [true, null],
      [false, 'TRAINING: Not enough.'],
    ]);
    expect(record!.cell.learningRate).toBe(0.003);
    // It is a result: going on does not try it again.
    const started = linesOf(join(run, 'search', 'started'));
    expect((await bench(folder, '--resume', '--out', run)).code).toBe(0);
    expect(linesOf(join(run, 'search', 'started'))).toEqual(started);
  });

  test.concurrent('a trial that crashes leaves the choice open; --resume runs it alone and then the cell', async () => {
    const folder = temporaryFolder();
    const run = join(folder, 'run');
    const suite = searchSuite(folder, ['done', 'flaky']);
    const first = await bench(folder, '--suite', suite, ...rates, '--out', run);
    expect(first.code).toBe(1);
    expect(first.stdout).toMatch(/flaky.*: SEARCH: The search for its learning rate found none\./);
    expect(first.stdout).toMatch(/received: +CRASHED: .*, at 0\.003/);
    const search = join(run, 'search');
    const before = linesOf(join(search, 'started'));
    expect(before).toHaveLength(6);
    const second = await bench(folder, '--resume', '--out', run);
    expect(second.code, second.stderr).toBe(0);
    expect(second.stderr).toContain('1 cell to do, 1 done before');
    expect(second.stderr).toContain('Search for the learning rates: 1 training ');
    const crashed = (await readPlan(search)).cells.find(
      ({ label, learningRate }) => label.startsWith('flaky') && learningRate === 0.003,
    )!;
    expect(linesOf(join(search, 'started'))).toEqual([...before, crashed.id]);
    expect((await doneIn(run)).map(({ cell }) => cell.learningRate)).toEqual([0.003, 0.003]);
  });

  test.concurrent('a search that is stopped loses no more than the trial that was running', async () => {
    const folder = temporaryFolder();
    const run = join(folder, 'run');
    const search = join(run, 'search');
    const suite = searchSuite(folder, ['done', 'slow']);
    const { child, ended } = startBench(folder, '--suite', suite, ...rates, '--out', run);
    await until(() => existsSync(join(search, 'pids')), 'the slow trial');
    child.kill('SIGTERM');
    const { code, stderr } = await ended;
    expect(code).toBe(143);
    expect(stderr).toContain('Stopped; 0 of 2 cells are done.');
    const before = linesOf(join(search, 'started'));
    expect(before).toHaveLength(4);
    for (const place of [run, search]) writeFileSync(join(place, 'hurry'), '');
    const second = await bench(folder, '--resume', '--out', run);
    expect(second.code, second.stderr).toBe(0);
    const { cells } = await readPlan(search);
    expect(linesOf(join(search, 'started'))).toEqual([...before, ...cells.slice(3).map(({ id }) => id)]);
  });

  test.concurrent('of a plan name the rates to choose from; other rates are another configuration', async () => {
    const folder = temporaryFolder();
    const run = join(folder, 'run');
    const suite = searchSuite(folder, ['done']);
    expect((await bench(folder, '--suite', suite, ...rates, '--out', run)).code).toBe(0);
    const { cells } = await readPlan(run);
    expect(cells).toMatchObject([{ learningRate: null, learningRates: [0.001, 0.003, 0.01] }]);
    const other = await bench(
      folder,
      '--resume',
      '--suite',
      suite,
      '--learning-rates',
      '0.1,0.2',
      '--out',
      run,
    );
    expect(other.code).toBe(2);
    expect(other.stderr).toMatch(/made with another configuration[\s\S]*learningRates in/);
  });

  const refused: readonly (readonly [string, readonly string[], RegExp])[] = [
    ['one rate', ['--learning-rates', '0.001'], /learningRates.*--learning-rates/],
    ['a word', ['--learning-rates', '0.001,fast'], /learningRates.*--learning-rates/],
    ['a rate twice', ['--learning-rates', '0.001,0.001'], /learningRates.*--learning-rates/],
    ['a rate of 0', ['--learning-rates', '0,0.001'], /learningRates.*--learning-rates/],
    ['a single rate beside it', ['--learning-rate', '0.01', ...rates], /One learning rate and several/],
    [
      'a protocol without validation examples',
      ['--protocol', 'source=as-published', ...rates],
      /no validation examples to choose the learning rates on[\s\S]*phases\[0\]\.protocol/,
    ],
  ];
  test.concurrent.each(refused)('refuses %s', async (_, flags, message) => {
    const folder = temporaryFolder();
    const run = join(folder, 'run');
    const { code, stderr } = await bench(
      folder,
      '--suite',
      searchSuite(folder, ['done']),
      ...flags,
      '--out',
      run,
    );
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
    expect(existsSync(run)).toBe(false);
  });
});

describe('the default rates', () => {
  const folder = temporaryFolder();
  const gridsOf = async (changes: object) => {
    const { config } = await loadSuite(fakeSuite(folder, [], { learningRates: 'default', ...changes }));
    return planCells(await resolveConfig(config)).map(({ learningRates }) => learningRates);
  };

  test('lie around the rate that each method would have, of the suite or of the first phase', async () => {
    const methods = [{ name: 'lora', learningRate: 0.002 }, { name: 'linear-probe' }];
    expect(await gridsOf({ methods })).toEqual([
      [0.0002, 0.0006, 0.002, 0.006, 0.02],
      [0.0005, 0.0015, 0.005, 0.015, 0.05],
    ]);
    const around = [0.01, 0.03, 0.1, 0.3, 1];
    const phases = [{ name: 'source', data: 'fake-classes', training: { learningRate: 0.1 } }];
    expect(await gridsOf({ methods, phases })).toEqual([around, around]);
  });

  test('are the method’s own where its definition gives some, which are checked', async () => {
    const plugin = (name: string, rates: string) => {
      const path = join(folder, `${name}.mjs`);
      writeFileSync(
        path,
        `export default { name: '${name}', description: 'for tests', source: 'tests', learningRates: ${rates},
          options: { _zod: {}, safeParse: (data) => ({ success: true, data }) }, parameters: () => [] };`,
      );
      return path;
    };
    const datasets = [fixture('plugin-data.mjs')];
    const models = [fixture('plugin-model.mjs')];
    const own = (name: string, rates: string) =>
      gridsOf({ methods: [{ name }], plugins: { methods: [plugin(name, rates)], datasets, models } });
    expect(await own('own-rates', '[0.3, 0.1, 0.2]')).toEqual([[0.1, 0.2, 0.3]]);
    await expect(own('one-rate', '[0.3]')).rejects.toThrow(
      /one-rate gives learning rates that cannot be tried/,
    );
    await expect(own('no-rate', '[0, 0.3]')).rejects.toThrow(/cannot be tried/);
  });
});

const probe = linearProbe as MethodDefinition;

test('scoring on val alone reads no example of test, not even for the audits', async () => {
  const source = memoryDataset({ train: 30, val: 9, test: 12, classes: 3 });
  const [val, held] = [source.val, source.test] as [MemorySplit, MemorySplit];
  const record = await runTinyCell({
    method: probe,
    data: { source },
    phases: [sourcePhase({ evaluate: ['val'] })],
    analyses: [],
  });
  expect(evaluationOf(record).split).toBe('val');
  expect([val.hashed.times, held.hashed.times]).toEqual([1, 0]);
  expect(new Set(val.reads).size).toBe(9);
  expect(held.reads).toEqual([]);
});

describe('findings on learning rates', () => {
  const elsewhere = { model: 'another-model', data: 'source', split: 'val' } as const;
  const run = (config: Partial<RunConfigInput>, search?: DoneRecord['search']) =>
    runTinyCell({ method: probe, analyses: [], config, ...(search && { search }) });
  const search: NonNullable<DoneRecord['search']> = {
    phase: 'source',
    split: 'val',
    seed: 0,
    metric: 'top1',
    examples: 9,
    tried: [0.001, 0.01].map((learningRate) => ({
      learningRate,
      value: learningRate,
      cell: 'a',
      error: null,
    })),
    chosen: 0.01,
    edge: 'highest',
  };

  test('say when a suite’s rates were chosen for another model or other data', async () => {
    const record = await run({ ratesChosenFor: elsewhere });
    expect(findingOf(record, 'RATES_CHOSEN_ELSEWHERE').message).toContain(
      'chosen for another-model on source, not for',
    );
    const { model } = record.cell;
    expect(codesOf(await run({ ratesChosenFor: { ...elsewhere, model } }))).toEqual([]);
    expect(codesOf(await run({ ratesChosenFor: { ...elsewhere, model, data: 'other' } }))).toHaveLength(1);
    expect(codesOf(await run({ ratesChosenFor: null }))).toEqual([]);
  });

  test('say that a search ended at an edge, and nothing about what the suite’s rates were for', async () => {
    const record = await run({ ratesChosenFor: elsewhere, learningRates: [0.001, 0.01] }, search);
    expect(codesOf(record)).toEqual(['LEARNING_RATE_EDGE@source']);
    const middle = { ...search, edge: null };
    expect(codesOf(await run({ ratesChosenFor: elsewhere, learningRates: 'default' }, middle))).toEqual([]);
  });

  test('are in tables and on the page: the rates tried, the one chosen, and the edge', async () => {
    const record = await run({ learningRates: [0.001, 0.01] }, search);
    const text = summaryText(summarizeRun('x', null, [record]));
    expect(text).toMatch(/^linear-probe +0\.01 ↑/m);
    expect(text).toContain('a better one may lie beyond: linear-probe (0.001 to 0.01)');
    const page = runPage('x', [record]);
    expect(page).toMatch(/<h2[^>]*>Search for the learning rates<\/h2>/);
    expect(page).toMatch(/>0\.1<br><small>at 0\.001<\/small><\/td>/);
    expect(page).toMatch(/<span class="chosen-rate">1\.0<br><small>at 0\.01 ↑<\/small><\/span>/);
  });
});

test('the default suite’s rates were chosen for its own model and data, on val', async () => {
  const { config } = await loadSuite('default');
  expect(config.ratesChosenFor).toEqual({
    model: config.models[0],
    data: config.phases[0]!.data,
    split: 'val',
  });
});

test.concurrent('before anything trains, a run says that its rates were chosen for something else', async () => {
  const folder = temporaryFolder();
  const suite = fakeSuite(folder, ['done'], {
    ratesChosenFor: { model: 'another-model', data: 'fake-classes', split: 'val' },
  });
  const told = await bench(folder, '--suite', suite, '--out', join(folder, 'told'));
  expect(told.stderr).toMatch(
    /^Note: The learning rates were chosen for another-model on fake-classes, not for fake-model/m,
  );
  // One rate that is asked for is the user's choice, and takes the place of a search.
  const own = join(folder, 'own');
  const searching = fakeSuite(folder, ['done'], {
    ratesChosenFor: { model: 'another-model', data: 'fake-classes', split: 'val' },
    learningRates: 'default',
  });
  const { code, stderr } = await bench(folder, '--suite', searching, '--learning-rate', '0.1', '--out', own);
  expect(code, stderr).toBe(0);
  expect(stderr).not.toContain('Note:');
  expect((await readPlan(own)).cells).toMatchObject([{ learningRate: 0.1 }]);
  expect(existsSync(join(own, 'search'))).toBe(false);
});
