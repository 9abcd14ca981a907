import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Compressibility, DoneRecord, MeasuredCell } from '@kora-bench/bench';
import {
  compressibilityPage,
  compressibilitySchema,
  compressibilityText,
  compressRun,
} from '@kora-bench/bench';
import { main } from '@kora-bench/bench/cli';
import type { Chart } from '@kora-bench/dashboard';
import { beforeAll, expect, test, vi } from 'vitest';
import { captureOutput } from './captured-output.js';
import { temporaryFolder } from './tiny-cell.js';
import { trainedRun, writeToyCheckpoint } from './trained-run.js';

const written = captureOutput();
const context = { dataDir: temporaryFolder(), cacheDir: temporaryFolder() };
const folder = temporaryFolder();
const base = join(folder, 'base');
const run = join(folder, 'run');
vi.stubEnv('KORA_DATA_DIR', context.dataDir);
vi.stubEnv('KORA_CACHE_DIR', context.cacheDir);

let records: DoneRecord[];
let found: Compressibility;
beforeAll(async () => {
  writeToyCheckpoint(base);
  records = await trainedRun(
    run,
    {
      models: [base],
      methods: [
        { name: 'linear-probe' },
        { name: 'lora', options: { rank: 4, targets: ['attn.q', 'mlp.fc2'] } },
        { name: 'vera', options: { rank: 4 } },
        { name: 'lora', label: 'pissa', options: { rank: 2, init: 'pissa' } },
        { name: 'basis-adapter', label: 'data-grid', options: { rank: 2, basis: 'bspline', grid: 'data' } },
        { name: 'full' },
      ],
      seeds: [0, 1],
      training: { epochs: 1, batchSize: 8, learningRate: 0.02 },
      limits: { trainExamples: 24, testExamples: 12 },
    },
    context,
  );
  found = await compressRun(run, context);
}, 120_000);

/** The main part of the page: what is not the script and the styles of every page. */
const pageOf = (measured: Compressibility) =>
  /<main[^>]*>([\s\S]*)<\/main>/.exec(compressibilityPage(measured))![1]!;
const cellsOf = (label: string): MeasuredCell[] => found.cells.filter(({ cell }) => cell.label === label);
const recordOf = ({ cell }: MeasuredCell) => records.find((record) => record.cell.id === cell.id)!;

test('float32 scores what the record says, and its labels take the loss that the record has', () => {
  expect(found.cells).toHaveLength(12);
  for (const measured of found.cells) {
    const { values, examples } = recordOf(measured).phases[0]!.draws[0]!.evaluations[0]!;
    const [first] = measured.forms;
    expect(first).toMatchObject({ name: 'float32', value: values['top1'] });
    expect(measured.recorded).toBe(values['top1']);
    expect(first!.residualBytes).toBeCloseTo((values['loss']! * examples) / Math.LN2 / 8, 6);
  }
});

test('an update has what trained, and not what checkpoint and seed give', () => {
  for (const label of ['linear-probe', 'lora', 'vera', 'pissa'])
    for (const measured of cellsOf(label)) {
      const { parameters, forms } = measured;
      expect(parameters.total, label).toBe(recordOf(measured).model.trainableParameters);
      expect(parameters.head).toBe(100 * 12 + 100);
      for (const { bytes } of forms) expect(bytes.total).toBe(bytes.method + bytes.head);
      if (label === 'linear-probe') for (const { bytes } of forms) expect(bytes.method).toBe(0);
    }
  // Grids that are laid over images are no function of the seed.
  for (const measured of cellsOf('data-grid'))
    expect(measured.parameters.total).toBeGreaterThan(recordOf(measured).model.trainableParameters);
  const [full] = cellsOf('full');
  expect(full!.parameters.method).toBeGreaterThan(10 * cellsOf('lora')[0]!.parameters.method);
});

test('bytes fall from form to form, and measures choose among the forms', () => {
  for (const measured of found.cells) {
    const { forms, parameters, withinTolerance, atEqualMetric, description, paysAfter, area, nothing } =
      measured;
    const sizes = forms.slice(0, 7).map(({ bytes }) => bytes.total);
    expect(sizes).toEqual(sizes.toSorted((a, b) => b - a));
    // Brotli leaves at most a few bytes more than what is in a form.
    expect(sizes[0]).toBeLessThan(4 * parameters.total + 100);
    const own = forms.find(({ name }) => name === withinTolerance!.form)!;
    expect(own.value).toBeGreaterThanOrEqual(forms[0]!.value! - 0.01 - 1e-9);
    expect(own.bitsPerParameter).toBeCloseTo((8 * own.bytes.total) / parameters.total, 12);
    expect(atEqualMetric!.value).toBeGreaterThanOrEqual(found.equal! - 1e-9);
    expect(description!.bytes).toBe(
      Math.min(...forms.map(({ bytes, residualBytes }) => bytes.total + residualBytes!)),
    );
    if (paysAfter !== null) {
      const { bytes, residualBytes } = forms.find(({ name }) => name === paysAfter.form)!;
      const labels = (perExample: number) => (paysAfter.examples * perExample) / found.evaluation.examples;
      expect(bytes.total + labels(residualBytes!)).toBeCloseTo(labels(nothing.residualBytes!), 6);
    }
    const values = [nothing, ...forms].map(({ value }) => value!);
    expect(area).toBeGreaterThanOrEqual(Math.min(...values));
    expect(area).toBeLessThanOrEqual(Math.max(...values));
  }
  const all = found.cells.flatMap(({ forms }) => forms.map(({ bytes }) => bytes.total));
  expect(found.range).toEqual({ from: Math.min(...all), to: Math.max(...all) });
});

test('the same run gives the same file, cell by cell', async () => {
  const again = await compressRun(run, context, { cells: ['lora'] });
  expect(again.cells.map(({ cell }) => cell.seed)).toEqual([0, 1]);
  for (const [i, { forms, nothing }] of again.cells.entries())
    expect({ forms, nothing }).toEqual({
      forms: cellsOf('lora')[i]!.forms,
      nothing: cellsOf('lora')[i]!.nothing,
    });
});

test('the table has a row for each method, and the page its curves and every form', () => {
  const text = compressibilityText(found);
  for (const label of ['linear-probe', 'lora', 'vera', 'pissa', 'data-grid', 'full'])
    expect(text).toMatch(new RegExp(`^ *${label} .* ± `, 'm'));
  expect(text).toContain('12 examples of test');
  const page = pageOf(found);
  const charts = [...page.matchAll(/<script type="application\/json">(.*?)<\/script>/g)].map(
    ([, json]) => JSON.parse(json!) as Chart,
  );
  const [curves, fronts] = charts as [Extract<Chart, { kind: 'curves' }>, Extract<Chart, { kind: 'pareto' }>];
  expect(curves.curves.map(({ label }) => label)).toEqual([
    'linear-probe',
    'lora',
    'vera',
    'pissa',
    'data-grid',
    'full',
  ]);
  for (const { points } of curves.curves) expect(points.at(-1)![0]).toBe(found.range!.to);
  expect(fronts.points.length).toBeGreaterThanOrEqual(6);
  const rows = page.match(/<tr><td>2 bits<\/td>/g)!;
  expect(rows).toHaveLength(6);
});

test('the first phase that is scored counts, with what it came through; one without classes has no description', async () => {
  const runDir = join(folder, 'depth');
  await trainedRun(
    runDir,
    {
      models: [base],
      methods: [{ name: 'lora', options: { rank: 2 } }],
      phases: [
        { name: 'source', task: 'classification', data: 'procedural-source', evaluate: [] },
        { name: 'depth', from: 'source', task: 'depth', data: 'procedural-depth', trains: 'head' },
      ],
    },
    context,
  );
  const depth = await compressRun(runDir, context);
  const [{ parameters, recorded, forms }] = depth.cells as [MeasuredCell];
  expect(depth.phase).toBe('depth');
  expect(parameters.method).toBeGreaterThan(0);
  expect(forms[0]!.value).toBe(recorded);
  expect(depth).toMatchObject({
    tolerance: { asked: 1, of: 'percent' },
    noResidual: expect.stringContaining('depth'),
  });
  expect(depth.cells[0]!.description).toBeNull();
  expect(depth.cells[0]!.withinTolerance!.value).toBeLessThanOrEqual(1.01 * depth.cells[0]!.forms[0]!.value!);
  expect(compressibilityText(depth)).toMatch(/No description lengths: The task depth/);
  expect(pageOf(depth)).not.toContain('NaN');
});

test('the command writes a file and a page, and prints the table or the file', async () => {
  const out = join(folder, 'out');
  expect(await main(['compress', run, 'lora', '--examples', '5', '--out', out, '--json'])).toBe(0);
  const file = readFileSync(join(out, 'compressibility.json'), 'utf8');
  const read = compressibilitySchema.parse(JSON.parse(file));
  expect(JSON.parse(written.stdout)).toEqual(read);
  expect(read.evaluation).toMatchObject({ split: 'test', examples: 5, of: 12 });
  expect(read.cells.map(({ cell, recorded }) => [cell.label, recorded])).toEqual([
    ['lora', null],
    ['lora', null],
  ]);
  expect(readdirSync(out).sort()).toEqual(['compressibility.html', 'compressibility.json']);
  expect(written.stderr).toMatch(/\[2\/2\] lora on reference:cpu, seed 1\n {2}float32: /);
});

test('a stop between two forms ends the work', async () => {
  const stopping = new AbortController();
  const forms: string[] = [];
  const view = {
    cellStarted: () => undefined,
    formDone: (_: string, { name }: { readonly name: string }) => {
      forms.push(name);
      stopping.abort();
    },
    report: () => undefined,
  };
  await expect(compressRun(run, context, { stop: stopping.signal, view })).rejects.toThrow(/abort/i);
  expect(forms).toEqual(['float32']);
});

/** What the command complains about, and that it began no cell and wrote nothing. */
async function complaint(...words: string[]): Promise<string> {
  const out = join(folder, 'refused');
  Object.assign(written, { stdout: '', stderr: '' });
  expect(await main(['compress', ...words, '--out', out])).toBe(2);
  expect(written.stdout).toBe('');
  expect(written.stderr).not.toContain('[1/');
  expect(existsSync(join(out, 'compressibility.json'))).toBe(false);
  return written.stderr;
}

test('cells, phases and runs that cannot be opened are refused before anything is scored', async () => {
  expect(await complaint(run, 'lara')).toMatch(/no cell "lara"/);
  expect(await complaint(run, '--phase', 'sauce')).toMatch(/no phase "sauce"[\s\S]*source/);
  expect(await complaint(join(folder, 'nowhere'))).toMatch(/not the folder of a run/);
  expect(await complaint(run, '--tolerance', '-1')).toMatch(/at least 0/);

  const without = join(folder, 'without');
  const probe = { models: [base], methods: [{ name: 'linear-probe' }] };
  await trainedRun(without, { ...probe, keepWeights: false }, context);
  expect(await complaint(without)).toContain(`--resume --keep-weights --out ${without}`);

  const unscored = join(folder, 'unscored');
  const phase = { name: 'source', task: 'classification', data: 'procedural-source', evaluate: [] };
  await trainedRun(unscored, { ...probe, phases: [phase] }, context);
  expect(await complaint(unscored)).toMatch(/The phase source is not scored/);
});

test('a failed cell is refused by name and left out otherwise; other data is refused', async () => {
  const runDir = join(folder, 'failed');
  const [first, second] = await trainedRun(
    runDir,
    { models: [base], methods: [{ name: 'linear-probe' }], seeds: [0, 1] },
    context,
  );
  const edit = (record: DoneRecord, change: object) =>
    writeFileSync(
      join(runDir, 'records', `${record.cell.id}.json`),
      JSON.stringify({ ...record, ...change }),
    );
  const { schemaVersion, cell, startedAt, finishedAt, config } = second!;
  const error = {
    code: 'TRAINING',
    message: 'The loss is NaN.',
    where: null,
    expected: null,
    received: null,
    fix: null,
  };
  const failed = { schemaVersion, cell, startedAt, finishedAt, config, status: 'failed', error };
  writeFileSync(join(runDir, 'records', `${cell.id}.json`), JSON.stringify(failed));
  expect(await complaint(runDir, cell.id)).toMatch(/The cell failed[\s\S]*The loss is NaN/);
  expect(await main(['compress', runDir, '--out', join(folder, 'left')])).toBe(0);
  expect(written.stderr).toMatch(/Left out: 1 cell that failed/);
  expect(written.stderr).not.toMatch(/float32 scores/);
  expect(written.stdout).toMatch(/One seed/);

  const [phase] = first!.phases;
  const [draw] = phase!.draws;
  const evaluations = draw!.evaluations.map((one) => ({ ...one, values: { ...one.values, top1: 0.99 } }));
  edit(first!, { phases: [{ ...phase!, draws: [{ ...draw!, evaluations }] }] });
  expect(await main(['compress', runDir, '--out', join(folder, 'left')])).toBe(0);
  expect(written.stderr).toMatch(/float32 scores top-1 .*, its record 99\.0/);

  const { test: scored, ...splits } = phase!.data.splits;
  const other = { ...phase!.data, splits: { ...splits, test: { ...scored!, fingerprint: 'f'.repeat(64) } } };
  edit(first!, { phases: [{ ...phase!, data: other }] });
  await expect(compressRun(runDir, context)).rejects.toMatchObject({
    code: 'INPUT',
    where: expect.stringContaining('procedural-source, test'),
  });
});
