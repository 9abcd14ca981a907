import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunConfig } from '@kora-bench/bench';
import { loadSuite, readPlan, runConfigSchema } from '@kora-bench/bench';
import { main } from '@kora-bench/bench/cli';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { fakeSuite, fixture, temporaryFolder } from './fake-run.js';

/* What flags and suites make of a run is read from its plan; its cells end at once. */

const folder = temporaryFolder();
const home = process.cwd();
const suite = fakeSuite(folder, ['done']);
let runs = 0;

beforeAll(() => {
  process.chdir(folder);
  vi.stubEnv('KORA_DATA_DIR', join(folder, 'data'));
  vi.stubEnv('KORA_CACHE_DIR', join(folder, 'cache'));
});
afterAll(() => process.chdir(home));
afterEach(() => vi.restoreAllMocks());

async function planOf(...args: readonly string[]) {
  let stderr = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    stderr += String(text);
    return true;
  });
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  const out = join(folder, `run-${runs++}`);
  const cellEntry = fixture('ends-at-once.mjs');
  expect(await main([...args, '--out', out], { cellEntry }), stderr).toBe(1);
  return { ...(await readPlan(out)), stderr };
}

const configOf = async (...args: readonly string[]) => (await planOf('--suite', suite, ...args)).config;

/** A suite in a file of its own, with what it changes in the fake one. */
function extending(name: string, changes: object): string {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify({ extends: suite, ...changes }));
  return path;
}

const names = ({ phases }: RunConfig) => phases.map(({ name }) => name);
const phaseOf = ({ phases }: RunConfig, name: string) => phases.find((phase) => phase.name === name)!;

describe('--task', () => {
  test('keeps the phases of a task and trains what they start from, without scoring it', async () => {
    const config = await configOf('--task', 'depth');
    expect(config.phases.map(({ name, evaluate }) => [name, evaluate])).toEqual([
      ['source', []],
      ['depth', ['test']],
    ]);
  });

  test('takes names of tasks too, and scores every phase that fits', async () => {
    const config = await configOf('--task', 'classification');
    expect(config.phases.map(({ name, evaluate }) => [name, evaluate])).toEqual([
      ['source', ['test']],
      ['transfer', ['test']],
    ]);
  });

  test('drops the analyses of phases that it leaves out, and no others', async () => {
    const analyses = [{ name: 'cka', options: { phase: 'depth' } }, 'merge'];
    const path = extending('analyses.json', { analyses });
    const { config } = await planOf('--suite', path, '--task', 'source');
    expect(config.analyses).toEqual(['merge']);
  });
});

test('published results of what flags leave out are left out', async () => {
  const column = (phase: string, metric: string) => ({ title: phase, measure: { phase, metric }, digits: 1 });
  const published = [
    {
      title: 'theirs',
      source: 'a paper',
      setting: { model: 'fake-model', phases: { source: { data: 'fake' }, depth: { data: 'fake' } } },
      columns: [column('source', 'top1'), column('depth', 'rmse'), column('transfer', 'top1')],
      rows: [
        { name: 'A', method: 'done', values: [1, 2, 3] },
        { name: 'B', method: 'other', values: [4, 5, 6] },
      ],
    },
  ];
  const methods = ['done', 'other'].map((label, i) => ({
    name: 'linear-probe',
    label,
    learningRate: 0.1 + i,
  }));
  const path = extending('published.json', { methods, published });
  expect((await planOf('--suite', path)).config.published[0]).toMatchObject(published[0]!);
  const { config } = await planOf('--suite', path, '--method', 'other', '--task', 'depth');
  const [{ columns, rows, setting }] = config.published as [RunConfig['published'][number]];
  expect(columns.map(({ title }) => title)).toEqual(['depth']);
  expect(rows).toEqual([{ name: 'B', method: 'other', values: [5] }]);
  expect(Object.keys(setting.phases)).toEqual(['source', 'depth']);
  expect((await planOf('--suite', path, '--method', 'lora')).config.published).toEqual([]);
});

test('--source, --target and --depth give the data of the phases that they are named after', async () => {
  const config = await configOf(
    ...['--source', 'procedural-source', '--target', 'procedural-transfer', '--depth', 'procedural-depth'],
  );
  expect(config.phases.map(({ name, data }) => [name, data])).toEqual([
    ['source', 'procedural-source'],
    ['transfer', 'procedural-transfer'],
    ['depth', 'procedural-depth'],
  ]);
});

test('--source gives the data of every form of the first phase, as published-small has two', async () => {
  const { config } = await planOf(
    ...[
      '--suite',
      'published-small',
      '--quick',
      '--method',
      'adapter-fusion',
      '--model',
      'vit_micro_patch8_64',
    ],
    ...['--source', 'procedural-source', '--target', 'procedural-transfer'],
  );
  expect(config.phases.map(({ name, data }) => [name, data])).toEqual([
    ['source', 'procedural-source'],
    ['transfer', 'procedural-transfer'],
    ['depth', 'procedural-depth'],
    ['transfer-as-published', 'procedural-transfer'],
    ['source-own-preprocessing', 'procedural-source'],
  ]);
});

test('--data changes the data of one phase each time that it is given', async () => {
  const config = await configOf(
    ...['--data', 'transfer=procedural-transfer', '--data', 'source=procedural-source'],
  );
  expect(config.phases.map(({ data }) => data)).toEqual([
    'procedural-source',
    'procedural-transfer',
    'fake-depth',
  ]);
});

describe('--protocol', () => {
  test('with several makes a phase of each out of the one that measures transfer', async () => {
    const config = await configOf('--protocol', 'stratified,as-published');
    expect(names(config)).toEqual(['source', 'transfer-stratified', 'transfer-as-published', 'depth']);
    expect(config.phases.map(({ from, protocol }) => [from, protocol])).toEqual([
      [null, 'full'],
      // The suite's own options stay where the protocol is the suite's own.
      ['source', { name: 'stratified', options: { perClass: 5 } }],
      ['source', 'as-published'],
      ['source', 'full'],
    ]);
  });

  test('with one keeps the phase’s name', async () => {
    const config = await configOf('--protocol', 'full');
    expect(names(config)).toEqual(['source', 'transfer', 'depth']);
    expect(phaseOf(config, 'transfer').protocol).toBe('full');
  });

  test('with phase=protocol changes that phase alone', async () => {
    const config = await configOf('--protocol', 'source=few-shot', '--batch-size', '4');
    expect(config.phases.map(({ protocol }) => protocol)).toEqual([
      'few-shot',
      { name: 'stratified', options: { perClass: 5 } },
      'full',
    ]);
  });
});

describe('--set', () => {
  test('changes a field of a phase, of a list’s entry and of the whole, each by its path', async () => {
    const config = await configOf(
      ...['--set', 'phases.depth.training.epochs=7'],
      ...['--set', 'methods.done.learningRate=0.5'],
      ...['--set', 'training.optimizer={"kind":"sgd"}'],
      ...['--set', 'phases.transfer.from=null', '--set', 'phases.transfer.trains=all'],
    );
    expect(phaseOf(config, 'depth').training.epochs).toBe(7);
    expect(config.methods[0]!.learningRate).toBe(0.5);
    expect(config.training.optimizer).toEqual({ kind: 'sgd', momentum: 0.9, weightDecay: 0 });
    expect(phaseOf(config, 'transfer')).toMatchObject({ from: null, trains: 'all' });
  });

  test('comes after the other flags', async () => {
    const config = await configOf('--epochs', '3', '--set', 'training.epochs=4');
    expect(config.training.epochs).toBe(4);
  });
});

test('numbers go to the run’s own training and limits, and leave those of a phase as they are', async () => {
  const config = await configOf(
    '--epochs',
    '9',
    '--batch-size',
    '4',
    '--learning-rate',
    '0.25',
    '--limit',
    '40',
  );
  expect(config.training).toMatchObject({ epochs: 9, batchSize: 4, learningRate: 0.25 });
  expect(config.limits).toEqual({ trainExamples: 40, valExamples: 40, testExamples: 40 });
  expect(config.methods[0]).not.toHaveProperty('learningRate');
  expect(phaseOf(config, 'transfer').training.epochs).toBe(10);
});

test('every model runs every method: cells come model by model, with the model in their ids', async () => {
  const { cells } = await planOf(
    ...['--suite', suite, '--model', 'fake-model,vit_micro_patch8_64', '--seeds', '0,1'],
  );
  expect(cells.map(({ model, seed }) => [model, seed])).toEqual([
    ['fake-model', 0],
    ['fake-model', 1],
    ['vit_micro_patch8_64', 0],
    ['vit_micro_patch8_64', 1],
  ]);
  for (const { id, model } of cells) expect(id).toContain(model.replaceAll('_', '-'));
  expect(new Set(cells.map(({ id }) => id)).size).toBe(4);
});

test('what decides a cell’s numbers changes its id, and what does not leaves it', async () => {
  const idOf = async (...args: readonly string[]) => (await planOf('--suite', suite, ...args)).cells[0]!.id;
  const plain = await idOf();
  expect(await idOf('--seeds', '0,1')).toBe(plain);
  expect(await idOf('--set', 'phases.depth.training.epochs=7')).not.toBe(plain);
});

describe('suites', () => {
  test('change the phase of a name, add others behind, and remove what they say', async () => {
    const path = extending('merged.json', {
      phases: [
        { name: 'depth', remove: true },
        { name: 'source', training: { epochs: 2 } },
        { name: 'far', from: 'source', task: 'depth', data: 'fake-depth' },
      ],
      analyses: [{ name: 'cka', remove: true }],
    });
    const { config } = await planOf('--suite', path);
    expect(names(config)).toEqual(['source', 'transfer', 'far']);
    expect(phaseOf(config, 'source')).toMatchObject({ training: { epochs: 2 }, data: 'fake-classes' });
    expect(config.analyses).toEqual(['merge']);
  });

  test('keep no options of a protocol or optimiser that they replace by another', async () => {
    const path = extending('replaced.json', {
      phases: [{ name: 'transfer', protocol: { name: 'few-shot', options: { draws: 2 } } }],
      training: { optimizer: { kind: 'adamw', beta1: 0.5 } },
    });
    writeFileSync(
      join(folder, 'replaced-twice.json'),
      JSON.stringify({ extends: path, training: { optimizer: { kind: 'sgd' } } }),
    );
    const { config } = await planOf('--suite', './replaced-twice.json');
    expect(phaseOf(config, 'transfer').protocol).toEqual({ name: 'few-shot', options: { draws: 2 } });
    expect(config.training.optimizer).toEqual({ kind: 'sgd', momentum: 0.9, weightDecay: 0 });
    const { config: same } = await planOf(
      '--suite',
      extending('same.json', {
        phases: [{ name: 'transfer', protocol: { name: 'stratified', options: { share: 0.5 } } }],
      }),
    );
    expect(phaseOf(same, 'transfer').protocol).toEqual({
      name: 'stratified',
      options: { perClass: 5, share: 0.5 },
    });
  });

  test('in the README are valid, and say what it says of them', async () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
    const blocks = [...readme.matchAll(/(?:^ {4}\S.*\n(?:^ {4}.*\n)*)/gm)].map(([block]) => block);
    const [whole, extended] = blocks.filter((block) => block.includes('"phases"'));
    const config = runConfigSchema.parse(JSON.parse(whole!));
    expect(names(config)).toEqual(['source', 'transfer', 'depth']);
    writeFileSync(join(folder, 'readme.json'), extended!);
    const { config: changed } = await loadSuite('./readme.json');
    expect(changed.phases.map(({ name, protocol }) => [name, protocol])).toEqual([
      ['source', 'full'],
      ['transfer', 'full'],
      ['few', 'few-shot'],
    ]);
  });

  test.each(['default', 'quick', 'depth', 'few-shot'])('%s can be planned as it is', async (name) => {
    const { config } = await planOf('--suite', name, '--method', 'linear-probe');
    expect(config.phases.length).toBeGreaterThan(0);
    if (name === 'depth') {
      expect(names(config)).toEqual(['depth']);
      expect(config.analyses).toEqual(['merge']);
    }
  });

  test('with a byte-order mark, as some editors write it, are read', async () => {
    const path = join(folder, 'marked.json');
    writeFileSync(path, `\uFEFF${JSON.stringify({ extends: suite, seeds: [3] })}`);
    expect((await planOf('--suite', path)).config.seeds).toEqual([3]);
  });
});

test('an entry that --method names by its method and by its label is chosen once', async () => {
  const two = extending('two-forms.json', {
    methods: [
      { name: 'lora', label: 'lora' },
      { name: 'lora', label: 'the other', options: { rank: 2 } },
    ],
  });
  const { methods } = (await planOf('--suite', two, '--method', 'lora,the other')).config;
  expect(methods.map(({ label }) => label)).toEqual(['lora', 'the other']);
});

test('one cell is one cell, and two are two', async () => {
  expect((await planOf('--suite', suite)).stderr).toMatch(/; 1 cell to do\./);
  expect((await planOf('--suite', suite, '--seeds', '0,1')).stderr).toMatch(/; 2 cells to do\./);
});

test('labels name presets, whatever a suite calls its methods', async () => {
  const methods = [
    { name: 'lora', preset: 'published' },
    { name: 'kora-chain', label: 'chain d8', preset: 'published-d8' },
    { name: 'lora', label: 'my peft lora', preset: 'peft' },
    { name: 'linear-probe' },
  ];
  const labels = ['lora (published)', 'chain d8 (published-d8)', 'my peft lora', 'linear-probe'];
  const plan = await planOf('--suite', extending('presets.json', { methods }));
  expect(plan.cells.map(({ label }) => label)).toEqual(labels);
  expect(plan.cells[0]!.id).toMatch(/^lora-published-reference-cpu-s0-/);
  // By the suite's own words, and by name and preset.
  const chosen = await planOf('--suite', suite, '--method', 'lora:published,linear-probe');
  expect(chosen.cells.map(({ label }) => label)).toEqual(['lora (published)', 'done']);
});
