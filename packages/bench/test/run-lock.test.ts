import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { lockRun, makeRunFolder } from '@kora-bench/bench';
import { expect, test } from 'vitest';
import { temporaryFolder } from './fake-run.js';

const lock = (runDir: string) => join(runDir, '.lock');
const holder = (runDir: string): Record<string, unknown> =>
  JSON.parse(readFileSync(lock(runDir), 'utf8')) as Record<string, unknown>;

/** A folder whose lock is this process's, with some of what it says changed, and its last touch `minutes` ago. */
async function locked(changes: object, minutes = 0): Promise<string> {
  const runDir = temporaryFolder();
  const { release } = await lockRun(runDir);
  const text = JSON.stringify({ ...holder(runDir), ...changes });
  await release();
  writeFileSync(lock(runDir), text);
  age(runDir, minutes);
  return runDir;
}

function age(runDir: string, minutes: number): void {
  const then = new Date(Date.now() - 60_000 * minutes);
  utimesSync(lock(runDir), then, then);
}

/** A schedule whose beats are called by hand. */
function byHand() {
  const beats: (() => Promise<void>)[] = [];
  return {
    schedule: (beat: () => Promise<void>) => {
      beats.push(beat);
      return () => void beats.splice(0);
    },
    beat: () => beats[0]!(),
    beats,
  };
}

const ours = { pid: process.pid };

test('a lock is ours until it is released', async () => {
  const runDir = temporaryFolder();
  const { release, lost } = await lockRun(runDir);
  expect(holder(runDir)).toMatchObject(ours);
  expect(lost.aborted).toBe(false);
  await release();
  expect(readdirSync(runDir)).toEqual([]);
});

test('the lock of a process that is gone is taken at once', async () => {
  const runDir = await locked({ pid: 2 ** 22 + 1 });
  await (await lockRun(runDir)).release();
});

test.runIf(process.platform === 'linux')(
  'a process whose number was given to another is gone: its start tells',
  async () => {
    const runDir = await locked({ started: '1' });
    await (await lockRun(runDir)).release();
  },
);

test('a process that runs keeps its lock however old its last sign of life is', async () => {
  const runDir = temporaryFolder();
  const { release } = await lockRun(runDir);
  age(runDir, 600);
  const error = lockRun(runDir);
  await expect(error).rejects.toMatchObject({
    code: 'INPUT',
    received: expect.stringMatching(
      new RegExp(`^process ${process.pid} on .*, since .*; its last sign of life is 10 h 00 min old$`),
    ) as string,
    fix: expect.stringContaining('--take-lock') as string,
  });
  await release();
});

const elsewhere = { pid: 1, host: 'first-container', space: 'first-container' };

test('the lock of another container is left alone while it shows signs of life', async () => {
  const runDir = await locked(elsewhere, 1);
  await expect(lockRun(runDir)).rejects.toMatchObject({
    code: 'INPUT',
    received: expect.stringMatching(/^process 1 on first-container, since .*is 1 min \d\d s old$/) as string,
    fix: expect.stringMatching(/free in (1 min 00|\d+) s; --take-lock takes it now/) as string,
  });
  expect(holder(runDir)).toMatchObject(elsewhere);
});

test('the lock of a container that was killed is taken once it has expired', async () => {
  const runDir = await locked(elsewhere, 3);
  const { release } = await lockRun(runDir);
  expect(holder(runDir)).toMatchObject(ours);
  await release();
});

test('of several that take an expired lock, one gets it', async () => {
  const runDir = await locked(elsewhere, 3);
  const tries = await Promise.allSettled(Array.from({ length: 8 }, () => lockRun(runDir)));
  const got = tries.filter((one) => one.status === 'fulfilled');
  expect(got).toHaveLength(1);
  await got[0]!.value.release();
  expect(readdirSync(runDir)).toEqual([]);
});

test('a beat shows that the process lives', async () => {
  const runDir = temporaryFolder();
  const { schedule, beat, beats } = byHand();
  const { release, lost } = await lockRun(runDir, { schedule });
  age(runDir, 5);
  await beat();
  expect(Date.now() - statSync(lock(runDir)).mtimeMs).toBeLessThan(200_000);
  expect(lost.aborted).toBe(false);
  await release();
  expect(beats).toEqual([]);
});

test('--take-lock takes the folder from a process that runs, which finds out and leaves the lock alone', async () => {
  const runDir = temporaryFolder();
  const { schedule, beat } = byHand();
  const first = await lockRun(runDir, { schedule });
  const second = await lockRun(runDir, { take: true });
  await beat();
  expect(first.lost.reason).toMatchObject({
    message: 'Another process took this run folder.',
    received: expect.stringContaining(`process ${process.pid} on`) as string,
  });
  await first.release();
  expect(existsSync(lock(runDir))).toBe(true);
  await second.release();
});

test('a lock that somebody deleted by hand is made again; a folder that is gone is lost', async () => {
  const runDir = temporaryFolder();
  const { schedule, beat } = byHand();
  const { release, lost } = await lockRun(runDir, { schedule });
  rmSync(lock(runDir));
  await beat();
  expect(holder(runDir)).toMatchObject(ours);
  expect(lost.aborted).toBe(false);
  rmSync(runDir, { recursive: true });
  await beat();
  expect(lost.reason).toMatchObject({ message: 'The run folder is gone.' });
  await release();
});

test('the lock of an earlier version is a lease as well', async () => {
  const runDir = temporaryFolder();
  writeFileSync(lock(runDir), JSON.stringify({ pid: 1, host: 'elsewhere', since: 'then' }));
  await expect(lockRun(runDir)).rejects.toMatchObject({ code: 'INPUT' });
  age(runDir, 3);
  await (await lockRun(runDir)).release();
});

test.runIf(process.platform === 'linux')('a process that was killed is gone at once', async () => {
  const runDir = temporaryFolder();
  const script = `
    import { lockRun } from '@kora-bench/bench';
    await lockRun(${JSON.stringify(runDir)});
    process.kill(process.pid, 'SIGKILL');`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: new URL('..', import.meta.url),
    stdio: 'inherit',
  });
  await new Promise((resolve) => child.on('exit', resolve));
  expect(holder(runDir)).toMatchObject({ pid: child.pid });
  await (await lockRun(runDir)).release();
});

test('runs that begin in the same second get folders of their own', () => {
  const cwd = temporaryFolder();
  const now = new Date(2026, 1, 3, 4, 5, 6);
  const folders = Array.from({ length: 3 }, () => makeRunFolder('default', now, cwd));
  const first = join(cwd, 'runs', '2026-02-03-040506-default');
  expect(folders).toEqual([first, `${first}-2`, `${first}-3`]);
  mkdirSync(`${first}-4`);
  expect(makeRunFolder('default', now, cwd)).toBe(`${first}-5`);
});
