import {
  ablationsOf,
  ablationText,
  checkData,
  compareMethods,
  loadSuite,
  mainEffects,
  readPlan,
  readRecords,
  resolveConfig,
  runPage,
} from '@kora-bench/bench';
import type { IntervalsChart } from '@kora-bench/dashboard';
import { expect, test } from 'vitest';
import { images, recordedRun } from './recorded-run.js';
import { temporaryFolder } from './tiny-cell.js';

const ablates = (factor: string) => ({ of: 'full', factor });
const methods = [
  { name: 'kora', label: 'full', options: {} },
  { name: 'kora', label: 'no gate', options: { gate: 'none' }, ablates: ablates('gate') },
  { name: 'kora', label: 'gate per channel <b>', options: { gate: 'channel' }, ablates: ablates('gate') },
  { name: 'kora', label: 'rank 2', options: { rank: 2 }, ablates: ablates('rank') },
];

/** 1000 images: the full method 90 %, without its gate 70 %, per channel 91 %, of rank 2 the same images right. */
async function ablated() {
  const run = recordedRun([
    { label: 'full', correct: images(1000, (i) => i % 10 === 0), trainableParameters: 500 },
    { label: 'no gate', correct: images(1000, (i) => i % 10 < 3), trainableParameters: 480 },
    { label: 'gate per channel <b>', correct: images(1000, (i) => i % 10 === 0 && i > 99) },
    { label: 'rank 2', correct: images(1000, (i) => i % 10 === 0) },
  ]);
  const { cells } = await readPlan(run);
  const read = await readRecords(
    run,
    cells.map(({ id }) => id),
  );
  const records = read.map((record) => ({ ...record, config: { ...record.config, methods } }));
  const compared = await compareMethods(run, records);
  return { records, compared, ablations: ablationsOf(compared.comparisons, records) };
}

test('each change is tested against the full method, whichever of the two is better', async () => {
  const { ablations } = await ablated();
  expect(ablations).toHaveLength(1);
  const [{ full, effects }] = ablations as [(typeof ablations)[number]];
  expect(full).toMatchObject({ label: 'full', value: 0.9, trainableParameters: 500 });
  expect(effects.map(({ factor, label, holds }) => [factor, label, holds])).toEqual([
    ['gate', 'no gate', true],
    ['gate', 'gate per channel <b>', true],
    ['rank', 'rank 2', false],
  ]);
  const [noGate, perChannel, rank] = effects;
  expect(noGate).toMatchObject({ value: 0.7, trainableParameters: 480 });
  expect(noGate!.difference).toBeCloseTo(-0.2, 12);
  expect(noGate!.interval[0]).toBeLessThan(-0.2);
  expect(noGate!.interval[1]).toBeGreaterThan(-0.2);
  expect(noGate!.interval[1]).toBeLessThan(0);
  expect(perChannel!.difference).toBeCloseTo(0.01, 12);
  // McNemar's exact test of 10 images against none, 2⁻⁹, times two of the three changes by Holm.
  expect(perChannel!.p).toBeCloseTo(2 * 2 ** -9, 12);
  expect(rank!.p).toBe(1);
});

test('main effects: the range of each factor’s levels, the full method among them, the widest first', async () => {
  const { ablations } = await ablated();
  expect(mainEffects(ablations[0]!)).toEqual([
    {
      factor: 'gate',
      lowest: expect.objectContaining({ label: 'no gate' }),
      highest: expect.objectContaining({ label: 'gate per channel <b>' }),
    },
    { factor: 'rank', lowest: expect.anything(), highest: expect.anything() },
  ]);
});

test('the page draws them and has them as tables, the terminal as text; other runs have neither', async () => {
  const { records, compared, ablations } = await ablated();
  const page = runPage('x', records, compared);
  expect(page).toContain('<h2>Against one method</h2>');
  const [, json] = /"application\/json">(\{"kind":"intervals"[^<]*"label":"full"\}[^<]*)<\/script>/.exec(
    page,
  )!;
  const chart = JSON.parse(json!) as IntervalsChart;
  expect(chart.points.map(({ label, hollow }) => [label, hollow])).toEqual([
    ['gate: no gate', false],
    ['gate: gate per channel <b>', false],
    ['rank: rank 2', true],
  ]);
  expect(chart.points[0]!.score).toBeCloseTo(-20);
  expect(page).not.toContain('channel <b>');
  const text = ablationText(ablations);
  expect(text).toMatch(/gate +no gate +70\.0 +-20\.0 \[.*\] +<0\.0001 +yes +480/);
  const plain = records.map((record) => ({
    ...record,
    config: { ...record.config, methods: methods.map(({ ablates: _, ...entry }) => entry) },
  }));
  expect(ablationsOf(compared.comparisons, plain)).toEqual([]);
  expect(runPage('x', plain, compared)).not.toContain('Against one method');
});

test.each([
  ['another rate', [{}, { learningRate: 0.1 }], /methods\[1\]\.learningRate/, /learning rate 0\.005/],
  [
    'a full method that is not there',
    [{ label: 'whole' }, {}],
    /methods\[1\]\.ablates\.of/,
    /whole, no gate/,
  ],
  ['an ablation', [{ ablates: ablates('rank') }, {}], /methods\[0\]\.ablates\.of/, /full method/],
])('compared with %s: refused by name', async (_title, changes, where, expected) => {
  const { config } = await loadSuite('default');
  const entries = methods.slice(0, 2).map((entry, i) => ({ ...entry, ...changes[i] }));
  await expect(resolveConfig({ ...config, methods: entries })).rejects.toMatchObject({
    where: expect.stringMatching(where),
    expected: expect.stringMatching(expected),
  });
});

test('kora-claims compares methods of equal size on every backbone, and refuses others by name', async () => {
  const context = { dataDir: temporaryFolder(), cacheDir: temporaryFolder() };
  const { config } = await loadSuite('kora-claims');
  await expect(checkData(await resolveConfig(config), context)).resolves.toHaveLength(5);
  const [kora, lora, ...others] = config.methods;
  const larger = { ...lora!, options: { ...lora!.options, rank: 6, alpha: 6 } };
  const unequal = await resolveConfig({ ...config, methods: [kora!, larger, ...others] });
  await expect(checkData(unequal, context)).rejects.toMatchObject({
    where: 'methods[1].ablates.parameters',
    expected: '62,280 parameters, those of kora, within 2.0 %',
    received: '73,728, 18.4 % more',
  });
});

test('kora-claims-photos is the same comparison on other data', async () => {
  const [embedded, photos] = await Promise.all(
    ['kora-claims', 'kora-claims-photos'].map(async (name) => (await loadSuite(name)).config),
  );
  expect(photos!.methods).toEqual(embedded!.methods);
  expect(
    photos!.phases.map(({ name, task, from, trains, headOf }) => ({ name, task, from, trains, headOf })),
  ).toEqual(
    embedded!.phases.map(({ name, task, from, trains, headOf }) => ({ name, task, from, trains, headOf })),
  );
  const { phases } = await resolveConfig(photos!);
  expect(new Set(phases.map(({ dataset }) => dataset.name))).toEqual(
    new Set(['cifar10', 'tiny-imagenet', 'nyu-depth-v2', 'camvid']),
  );
});

test('with a search, both try the same rates', async () => {
  const { config } = await loadSuite('default');
  const entries = methods.slice(0, 2).map((entry, i) => ({ ...entry, learningRate: i === 0 ? 0.01 : 0.02 }));
  const searched = (learningRates: 'default' | number[]) =>
    resolveConfig({ ...config, methods: entries, learningRates });
  await expect(searched([0.01, 0.02])).resolves.toBeDefined();
  await expect(searched('default')).rejects.toMatchObject({
    received: 'a search at 0.002, 0.006, 0.02, 0.06, 0.2',
  });
});

test('kora-ablation compares every part with the whole, at one rate, and its small form as well', async () => {
  for (const quick of [false, true]) {
    const { config } = await loadSuite('kora-ablation', quick);
    const { methods: resolved } = await resolveConfig(config);
    const factors = new Set(config.methods.flatMap((entry) => entry.ablates?.factor ?? []));
    expect(resolved.filter(({ label }) => label === 'full kora')).toHaveLength(1);
    for (const factor of [
      'composition',
      'depth',
      'width',
      'activation',
      'gate',
      'target',
      'A',
      'init',
      'rank',
    ])
      expect(factors, factor).toContain(factor);
    expect(config.methods.length).toBe(quick ? 13 : 25);
    expect(config.phases.map(({ name }) => name)).toEqual(['source']);
  }
});

test('--quick changes what a suite has, and adds no phase to it', async () => {
  const { config } = await loadSuite('few-shot', true);
  expect(config.phases.map(({ name }) => name)).toEqual(['source']);
  expect(config.limits.trainExamples).toBe(200);
});
