import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FailedRecord } from '@kora-bench/bench';
import { readPlan, readRecords, Watchdog } from '@kora-bench/bench';
import { describe, expect, test } from 'vitest';
import { bench, fakeSuite, isAlive, startBench, temporaryFolder, until } from './fake-run.js';

const minute = 60_000;

/** A watchdog on a clock that is set by hand. */
function watched(limits: { silenceMs?: number; totalMs?: number }) {
  let now = 5;
  let used = 0;
  const watchdog = new Watchdog(limits, { now: () => now, processorSeconds: () => used });
  /** Lets time pass in steps of the watchdog's own interval; `load` is the share of a core in use. */
  const pass = (milliseconds: number, load = 0) => {
    for (let left = milliseconds; left > 0; left -= watchdog.interval) {
      now += Math.min(left, watchdog.interval);
      used += (load * Math.min(left, watchdog.interval)) / 1000;
      const overdue = watchdog.check();
      if (overdue !== undefined) return overdue;
    }
    return undefined;
  };
  const sleep = (milliseconds: number) => {
    now += milliseconds;
  };
  return { watchdog, pass, sleep };
}

describe('a watchdog', () => {
  test('lets a process live that shows signs of life, however long it takes', () => {
    const { watchdog, pass } = watched({ silenceMs: 30 * minute });
    for (let i = 0; i < 20; i++) {
      expect(pass(29 * minute)).toBeUndefined();
      watchdog.alive();
    }
  });

  test('ends one that shows none, and says whether it computed', () => {
    const busy = watched({ silenceMs: 30 * minute });
    expect(busy.pass(10 * minute, 1)).toBeUndefined();
    busy.watchdog.alive();
    expect(busy.pass(30 * minute, 0.5)).toBeUndefined();
    const overdue = busy.pass(minute, 0.5);
    expect(overdue).toMatchObject({ limit: 'silence', milliseconds: 30 * minute });
    expect(overdue?.load).toBeCloseTo(0.5, 1);
    expect(watched({ silenceMs: minute }).pass(2 * minute)).toMatchObject({ load: 0 });
  });

  test('ends one that takes longer than it may altogether, signs of life or not', () => {
    const { watchdog, pass } = watched({ totalMs: 60 * minute, silenceMs: 30 * minute });
    expect(pass(25 * minute)).toBeUndefined();
    watchdog.alive();
    expect(pass(25 * minute)).toBeUndefined();
    watchdog.alive();
    expect(pass(25 * minute)).toMatchObject({ limit: 'total', milliseconds: 60 * minute });
  });

  test('does not count the time in which the machine slept', () => {
    const { pass, sleep } = watched({ silenceMs: 30 * minute, totalMs: 40 * minute });
    expect(pass(20 * minute)).toBeUndefined();
    sleep(500 * minute);
    expect(pass(9 * minute)).toBeUndefined();
    expect(pass(2 * minute)).toMatchObject({ limit: 'silence' });
  });
});

async function failuresOf(run: string): Promise<FailedRecord['error'][]> {
  const { cells } = await readPlan(run);
  const records = await readRecords(
    run,
    cells.map(({ id }) => id),
  );
  return records.map((record) => (record as FailedRecord).error);
}

const pidsIn = (run: string) =>
  existsSync(join(run, 'pids')) ? readFileSync(join(run, 'pids'), 'utf8').trim().split('\n').map(Number) : [];

test.concurrent('a cell in an endless loop is ended with what it started, and the others go on', async () => {
  const folder = temporaryFolder();
  const run = join(folder, 'run');
  const suite = fakeSuite(folder, ['loops', 'waits']);
  const { code, stdout } = await bench(folder, '--suite', suite, '--out', run, '--hang-timeout', '10s');
  expect(code).toBe(1);
  const [loops, waits] = await failuresOf(run);
  expect(loops).toMatchObject({
    code: 'HUNG',
    message: 'The process showed no sign of life for 10 s and was killed.',
    expected: 'a step of some work at least every 10 s',
    received: expect.stringContaining('its last word was “fusion: 96 steps to do”') as string,
  });
  expect(waits).toMatchObject({
    code: 'HUNG',
    received: expect.stringContaining('its last word was “fusion: step 7/96”') as string,
  });
  if (process.platform === 'linux') {
    expect(loops!.fix).toContain('a loop that does not end');
    expect(waits!.fix).toContain('It waits for something that does not come');
  }
  expect(stdout).toContain('HUNG');
  const pids = pidsIn(run);
  expect(pids).toHaveLength(3);
  for (const pid of pids) await until(() => !isAlive(pid), `the end of ${pid}`);
});

test
  .runIf(process.platform !== 'win32')
  .concurrent('a cell in an endless loop ends with the run, also where that is killed', async () => {
    const folder = temporaryFolder();
    const run = join(folder, 'run');
    const { child, ended } = startBench(folder, '--suite', fakeSuite(folder, ['loops']), '--out', run);
    await until(() => pidsIn(run).length === 2, 'the cell and what it starts');
    child.kill('SIGKILL');
    for (const pid of pidsIn(run)) await until(() => !isAlive(pid), `the end of ${pid}`);
    await ended;
  });

test.concurrent('--cell-timeout ends a cell that takes longer', async () => {
  const folder = temporaryFolder();
  const run = join(folder, 'run');
  const suite = fakeSuite(folder, ['waits']);
  const { code } = await bench(folder, '--suite', suite, '--out', run, '--cell-timeout', '10s');
  expect(code).toBe(1);
  expect(await failuresOf(run)).toMatchObject([
    {
      code: 'TIMEOUT',
      message: 'The process took longer than 10 s and was killed.',
      fix: expect.stringContaining('--cell-timeout') as string,
    },
  ]);
  for (const pid of pidsIn(run)) await until(() => !isAlive(pid), `the end of ${pid}`);
});

test.concurrent.each(['10', 'soon', '0s', '-1m'])(
  'a limit of %s is refused with an example',
  async (limit) => {
    const { code, stderr } = await bench(temporaryFolder(), '--cell-timeout', limit);
    expect(code).toBe(2);
    expect(stderr).toContain('30m');
  },
);
