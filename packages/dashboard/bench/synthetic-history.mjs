/**
 * Writes a history of made-up results, to look at the dashboard with and to measure how it scrolls. Some series shift,
 * some drift, some have outliers; all of it follows from a seed.
 *
 *     node packages/dashboard/bench/synthetic-history.mjs FOLDER [--lines 1000] [--points 500]
 */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { lines: { type: 'string', default: '1000' }, points: { type: 'string', default: '500' } },
});
const [folder] = positionals;
if (folder === undefined) throw new Error('Name the folder to write into.');
const lines = Number(values.lines);
const points = Number(values.points);

/** Mulberry32. */
function randomNumbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
const random = randomNumbers(7);
const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
const digest = (text) => createHash('sha256').update(text).digest('hex');

const labels = [
  'linear-probe',
  'lora',
  'dora',
  'bitfit',
  'vpt',
  'ssf',
  'adaptformer',
  'kora',
  'kora-chain',
  'full',
];
const engines = [
  ['onnxruntime', 'cpu'],
  ['webgpu', 'gpu'],
];
const testbed = {
  id: 'some-cpu-2-cores-linux-x64-0a1b2c',
  description: 'Some CPU, 2 cores, 8 GiB, linux-x64',
};
const quality = (phase, title, isPrimary) => ({
  kind: 'quality',
  title: `${phase} ${title}`,
  phase,
  unit: '%',
  direction: 'higher',
  format: { scale: 100, digits: 1 },
  gating: isPrimary,
  isShare: true,
});
const cost = (title, phase, rest) => ({
  kind: 'sample',
  title,
  phase,
  unit: '',
  direction: 'higher',
  format: { scale: 1, digits: 1 },
  gating: false,
  isShare: false,
  range: [0, null],
  ...rest,
});
const measures = {
  'source/test/top1': quality('source', 'top-1', true),
  'transfer/test/top1': quality('transfer', 'top-1', true),
  'depth/test/rmse': {
    ...quality('depth', 'RMSE', true),
    unit: 'm',
    direction: 'lower',
    format: { scale: 1, digits: 3 },
    isShare: false,
    range: [0, null],
  },
  'source/test/macroF1': { ...quality('source', 'macro F1', false), isShare: false },
  trainableParameters: cost('trainable parameters', null, {
    kind: 'count',
    direction: 'lower',
    format: { scale: 1, digits: 0 },
    gating: true,
  }),
  'source/flopsPerStep': cost('source FLOPs per step', 'source', {
    kind: 'count',
    direction: 'lower',
    format: { scale: 1, digits: 0 },
    gating: true,
  }),
  'source/imagesPerSecond': cost('source images/s', 'source'),
  'transfer/imagesPerSecond': cost('transfer images/s', 'transfer'),
  'depth/imagesPerSecond': cost('depth images/s', 'depth'),
  peakMemoryBytes: cost('peak memory', null, {
    unit: 'MB',
    direction: 'lower',
    format: { scale: 1e-6, digits: 0 },
    gating: true,
  }),
};
const keys = Object.keys(measures);
const begin = Date.UTC(2025, 0, 1);

/** What a measure does over time: its level, its noise, and perhaps shifts, a drift or outliers. */
function course(key, tuned) {
  const isShare = measures[key].isShare || key.endsWith('macroF1');
  const level = {
    'depth/test/rmse': 1.4 + 0.4 * random(),
    trainableParameters: tuned,
    'source/flopsPerStep': 4e9 + 1e4 * tuned,
    peakMemoryBytes: 3e8 + 2e8 * random(),
  }[key];
  const start = level ?? (isShare ? 0.35 + 0.3 * random() : 60 + 200 * random());
  const kind = measures[key].kind;
  const noise = kind === 'count' ? 0 : kind === 'sample' ? 0.015 : 0.006;
  const shape = random();
  const shiftAt = Math.floor(points * (0.2 + 0.6 * random()));
  const size = 1 + (random() < 0.5 ? -1 : 1) * (0.05 + 0.1 * random());
  return (i) => {
    let value = start;
    if (kind !== 'count' && shape < 0.3 && i >= shiftAt) value *= size;
    if (kind === 'sample' && shape > 0.95) value *= 1 + 0.15 * (i / points);
    if (kind === 'sample' && random() < 0.01) value *= 0.8;
    return kind === 'count' ? Math.round(value) : value * (1 + noise * normal());
  };
}

let left = lines;
for (let number = 0; left > 0; number++) {
  const label = labels[number % labels.length];
  const [backend, device] = engines[Math.floor(number / labels.length) % engines.length];
  const model = number < 20 ? 'vit_micro_patch8_64' : `vit_tiny_patch16_224.v${Math.floor(number / 20)}`;
  const own = keys.slice(0, Math.min(keys.length, left));
  const seeds = [0, 1].slice(0, Math.ceil(Math.min(2 * keys.length, left) / keys.length));
  const name = `${label} with ${model} on ${backend}:${device}`;
  const configuration = digest(name);
  const tuned = Math.round(10 ** (3 + 3 * random()));
  const text = [
    {
      historyVersion: 1,
      kind: 'series',
      name,
      label,
      model,
      backend,
      device,
      configuration,
      settings: { method: JSON.stringify(label), 'training.epochs': '5', 'training.batchSize': '32' },
      testbed,
      measures: Object.fromEntries(own.map((key) => [key, measures[key]])),
    },
  ];
  for (const seed of seeds) {
    const courses = own.slice(0, left).map((key) => [key, course(key, tuned)]);
    left -= courses.length;
    for (let i = 0; i < points; i++) {
      const commit = digest(`commit ${i}`).slice(0, 40);
      text.push({
        historyVersion: 1,
        kind: 'entry',
        id: digest(`${name} ${seed} ${i}`).slice(0, 16),
        date: new Date(begin + i * 86_400_000 + number * 60_000 + seed * 1000).toISOString(),
        commit,
        dirty: false,
        seed,
        run: `nightly-${i}`,
        versions: {
          node: i < points / 2 ? '22.11.0' : '22.12.0',
          [backend]: i < points / 3 ? '1.22.0' : '1.23.0',
          '@kora-bench/bench': '0.1.0',
        },
        data: {},
        values: Object.fromEntries(
          courses.map(([key, at]) => [
            key,
            { value: at(i), ...(measures[key].isShare && { examples: 1000 }) },
          ]),
        ),
      });
    }
  }
  const file = join(
    folder,
    testbed.id,
    `${name.toLowerCase().replace(/[^a-z0-9.]+/g, '-')}-${configuration.slice(0, 8)}.jsonl`,
  );
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text.map((line) => `${JSON.stringify(line)}\n`).join(''));
}
