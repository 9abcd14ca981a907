import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunEstimate } from '@kora-bench/bench';
import { checkSpace, estimateText, RunClock } from '@kora-bench/bench';
import { describe, expect, test } from 'vitest';
import { bench, fakeSuite } from './fake-run.js';
import { ownFolder, runKora } from './own-folder.js';
import { temporaryFolder } from './tiny-cell.js';

const cell = (id: string, label: string, seed = 0) => ({
  ...{ id, label, seed, method: label, options: {}, learningRate: 0.1 },
  ...{ backend: 'reference', device: 'cpu', backendOptions: {}, model: 'm' },
});

describe('the time that is left of a run', () => {
  const cells = [cell('a0', 'a'), cell('b0', 'b'), cell('a1', 'a', 1), cell('b1', 'b', 1)];
  const byCell = { a0: 10, b0: 100, a1: 10, b1: 100 };

  /** Lets a cell run for so many seconds. */
  function clocked(
    ...settings: ConstructorParameters<typeof RunClock> extends [unknown, ...infer R] ? R : never
  ) {
    let now = 0;
    const clock = new RunClock(cells, settings[0], () => now);
    const pass = (seconds: number) => {
      now += 1000 * seconds;
    };
    const run = (id: string, seconds: number, counts = true) => {
      clock.started({ id });
      pass(seconds);
      clock.ended(counts);
    };
    return { clock, pass, run };
  }

  test('begins with what was measured, and goes down with the clock', () => {
    const { clock, pass } = clocked({ byCell, inSeconds: true });
    expect(clock.secondsLeft()).toBe(220);
    clock.started({ id: 'a0' });
    pass(4);
    expect(clock.secondsLeft()).toBe(216);
    pass(20);
    // A cell that takes longer than expected takes nothing from the others.
    expect(clock.secondsLeft()).toBe(210);
  });

  test('is corrected by the cells of a kind that are done, and by all for other kinds', () => {
    const { clock, run } = clocked({ byCell, inSeconds: true });
    run('a0', 20);
    expect(clock.secondsLeft()).toBe(2 * 210);
    run('b0', 100);
    expect(clock.secondsLeft()).toBe(20 + 100);
  });

  test('is not told before the first cell is done where only proportions are known', () => {
    const { clock, run } = clocked({ byCell: { a0: 1, b0: 10, a1: 1, b1: 10 }, inSeconds: false });
    clock.started({ id: 'a0' });
    expect(clock.secondsLeft()).toBeUndefined();
    run('a0', 7);
    expect(clock.secondsLeft()).toBe(7 * 21);
  });

  test('a cell that failed says nothing of the others', () => {
    const { clock, run } = clocked({ byCell, inSeconds: true });
    run('a0', 1, false);
    expect(clock.secondsLeft()).toBe(210);
  });
});

describe('the room that a run needs', () => {
  const estimate: RunEstimate = {
    ...{ cells: 3, seconds: 600, unmeasured: null, kinds: 3, measuredKinds: 2 },
    ...{ featureBytes: 2e9, recordBytes: 3e6, free: { cacheBytes: 5e9, runBytes: 5e9 } },
    expected: { byCell: {}, inSeconds: true },
  };

  test('is shown beside what is free', () => {
    expect(estimateText(estimate)).toBe(
      'About 10 min for 3 cells, by a few steps of 2 of 3 kinds; without analyses, and with nothing in the cache.\n' +
        'Disk: up to 2.0 GB of kept features of 5.0 GB free, about 3 MB of results of 5.0 GB free.',
    );
    expect(checkSpace(estimate, '/run')).toBeUndefined();
  });

  test('a cache that is too small is a warning: what does not fit stays in memory', () => {
    const warning = checkSpace({ ...estimate, free: { cacheBytes: 1e9, runBytes: 1e9 } }, '/run');
    expect(warning).toMatch(/2\.0 GB, and 1\.0 GB are free in the cache folder.*KORA_CACHE_DIR/);
  });

  test('a disk on which the results do not fit is refused', () => {
    const full = { ...estimate, free: { cacheBytes: 1e9, runBytes: 1e6 } };
    expect(() => checkSpace(full, '/run')).toThrow(/no room for the results/);
  });

  test('is not told where it is not known', () => {
    expect(checkSpace({ ...estimate, featureBytes: null, recordBytes: null }, '/run')).toBeUndefined();
  });
});

const suite = {
  methods: [{ name: 'linear-probe' }, { name: 'lora' }],
  backends: [{ name: 'reference' }],
  models: ['toy-backbone'],
  phases: [{ name: 'angle', task: 'toy-angle', data: 'toy-gradients' }],
  seeds: [0, 1],
  training: { epochs: 2, batchSize: 8, learningRate: 0.05 },
};
const plugins = {
  tasks: ['kora-toy-angle/task'],
  datasets: ['kora-toy-angle/data'],
  models: ['kora-toy-angle/model'],
};

test('--dry-run measures the kinds of cells, counts the features that a run then keeps, and writes nothing', async () => {
  const folder = ownFolder(plugins);
  writeFileSync(join(folder, 'mine.json'), JSON.stringify(suite));
  const before = readdirSync(folder);
  const dry = await runKora(folder, '--suite', './mine.json', '--dry-run', '--json');
  expect(dry.code, dry.stderr).toBe(0);
  expect(readdirSync(folder)).toEqual(before);
  const { cells, estimate } = JSON.parse(dry.stdout) as {
    cells: { id: string; label: string; seed: number }[];
    estimate: RunEstimate;
  };
  expect(cells.map(({ label, seed }) => [label, seed])).toEqual([
    ['linear-probe', 0],
    ['linear-probe', 1],
    ['lora', 0],
    ['lora', 1],
  ]);
  expect(estimate).toMatchObject({ cells: 4, kinds: 2, unmeasured: null });
  expect(estimate.measuredKinds).toBeGreaterThanOrEqual(1);
  const seconds = cells.map(({ id }) => estimate.expected.byCell[id]!);
  for (const one of seconds) expect(one).toBeGreaterThan(0);
  // The first cell computes the features that the second one finds.
  expect(seconds[0]).toBeGreaterThan(seconds[1]!);
  expect(seconds.reduce((sum, one) => sum + one)).toBeCloseTo(estimate.seconds!, 6);
  expect(estimate.free.cacheBytes).toBeGreaterThan(0);

  const run = await runKora(folder, '--suite', './mine.json', '--out', 'run');
  expect(run.code, run.stderr).toBe(0);
  const sizeOf = (path: string): number =>
    statSync(path).isDirectory()
      ? readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0)
      : statSync(path).size;
  const headers = 64 * readdirSync(join(folder, 'cache', 'features'), { recursive: true }).length;
  const kept = sizeOf(join(folder, 'cache', 'features'));
  const hashes = sizeOf(join(folder, 'cache', 'content-hashes'));
  expect(estimate.featureBytes).toBeGreaterThanOrEqual(kept - headers);
  expect(estimate.featureBytes).toBeLessThan(1.2 * (kept + hashes));
  expect(estimate.recordBytes).toBeGreaterThan(sizeOf(join(folder, 'run', 'scores')));
  const nothing = await runKora(folder, '--resume', '--out', 'run', '--dry-run');
  expect(nothing.stdout).toBe('0 cells, 4 done before:\n');
});

test('an engine that cannot be tried out does not keep others from it', async () => {
  const folder = ownFolder({ ...plugins, backends: ['./broken.mjs'] });
  writeFileSync(
    join(folder, 'broken.mjs'),
    `export default { name: 'broken', description: 'for tests', defaultDevice: 'cpu', devices: ['cpu'],
      options: { _zod: {}, safeParse: (data) => ({ success: true, data }), parse: (data) => data },
      create() { throw new Error('no such engine'); }, probe() {} };`,
  );
  const backends = [{ name: 'reference' }, { name: 'broken' }];
  writeFileSync(join(folder, 'mine.json'), JSON.stringify({ ...suite, backends, seeds: [0] }));
  const { code, stdout, stderr } = await runKora(folder, '--suite', './mine.json', '--dry-run');
  expect(code, stderr).toBe(0);
  expect(stdout).toMatch(/About .* for 4 cells, by a few steps of [12] of 4 kinds/);
});

test('a run whose programs cannot be tried out is not held up', async () => {
  const folder = temporaryFolder();
  const path = fakeSuite(folder, ['done', 'done too']);
  const dry = await bench(folder, '--suite', path, '--dry-run');
  expect(dry.code, dry.stderr).toBe(0);
  expect(dry.stdout).toMatch(/^2 cells:\n {2}done on reference:cpu, seed 0\n/);
  expect(dry.stdout).toContain('whose steps could not be tried out beforehand');
  const { code, stderr } = await bench(folder, '--suite', path);
  expect(code).toBe(0);
  expect(stderr).toContain('2 cells, too little to measure beforehand');
  expect(stderr).toMatch(/\[2\/2\] done too on reference:cpu, seed 0: starting; run: \d+ s left/);
  const without = await bench(folder, '--suite', path, '--no-estimate');
  expect(without.stderr).not.toContain('beforehand');
});
