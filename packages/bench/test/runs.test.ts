import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CellRecord, quietView, readPlan, readRecords, recordSchema, runCells } from '@kora-bench/bench';
import { expect, test } from 'vitest';
import { bench, fakeSuite, fixture, isAlive, startBench, temporaryFolder, until } from './fake-run.js';

const recordsOf = async (runDir: string): Promise<CellRecord[]> => {
  const { cells } = await readPlan(runDir);
  return readRecords(
    runDir,
    cells.map(({ id }) => id),
  );
};
const linesOf = (path: string) =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '');

test.concurrent('a cell that crashes in any way is recorded with its reason, and the others go on', async () => {
  const folder = temporaryFolder();
  const labels = ['segfault', 'exit', 'silent', 'throw', 'oom', 'fail', 'truncated', 'done'];
  const run = join(folder, 'run');
  const { code, stdout } = await bench(folder, '--suite', fakeSuite(folder, labels), '--out', run);
  expect(code).toBe(1);
  const records = await recordsOf(run);
  const outcomes = records.map((record) =>
    record.status === 'done' ? 'done' : `${record.error.code}: ${record.error.message}`,
  );
  expect(outcomes).toEqual([
    'CRASHED: The cell’s process was ended by SIGSEGV.',
    'CRASHED: The cell’s process ended with exit code 3.',
    'CRASHED: The cell’s process ended without writing its record.',
    'CRASHED: The cell’s process ended with exit code 1.',
    'OUT_OF_MEMORY: The cell’s process ran out of memory.',
    'TRAINING: Not enough.',
    'CRASHED: The cell’s process ended without writing its record.',
    'done',
  ]);
  expect(stdout).toContain('an unforeseen fault');
  expect(stdout).not.toMatch(/^\s+at /m);
  expect(existsSync(join(run, 'report.html'))).toBe(true);
});

test.concurrent('a process that does not end after its record is killed, and its record counts', async () => {
  const folder = temporaryFolder();
  const run = join(folder, 'run');
  const { code, stderr } = await bench(folder, '--suite', fakeSuite(folder, ['hangs', 'done']), '--out', run);
  expect(stderr).toContain('it was killed');
  expect(code).toBe(0);
  expect((await recordsOf(run)).map(({ status }) => status)).toEqual(['done', 'done']);
});

test.concurrent('--resume does only what failed or is missing, and needs no other flag', async () => {
  const folder = temporaryFolder();
  const suite = fakeSuite(folder, ['done first', 'once', 'done last']);
  const run = join(folder, 'runs', 'mine');
  expect((await bench(folder, '--suite', suite, '--out', run)).code).toBe(1);
  const ids = (await readPlan(run)).cells.map(({ id }) => id);
  const started = join(run, 'started');
  expect(linesOf(started)).toEqual(ids);

  // What a process leaves that was killed while it wrote.
  writeFileSync(join(run, 'records', `${ids[2]}.json.123456`), '{"half');
  const { code, stderr } = await bench(folder, '--resume');
  expect(stderr).toContain('1 cell to do, 2 done before');
  expect(code).toBe(0);
  expect(linesOf(started)).toEqual([...ids, ids[1]]);
  expect(readdirSync(join(run, 'records')).sort()).toEqual(ids.map((id) => `${id}.json`).sort());

  writeFileSync(join(run, 'records', `${ids[0]}.json`), '{"schemaVersion": 2, "sta');
  expect((await bench(folder, '--resume', '--out', run)).code).toBe(0);
  expect(linesOf(started)).toEqual([...ids, ids[1], ids[0]]);
});

test.concurrent('--resume refuses another configuration and names the field', async () => {
  const folder = temporaryFolder();
  const suite = fakeSuite(folder, ['done']);
  const run = join(folder, 'run');
  expect((await bench(folder, '--suite', suite, '--out', run)).code).toBe(0);
  const { code, stderr } = await bench(folder, '--resume', '--suite', suite, '--epochs', '9', '--out', run);
  expect(code).toBe(2);
  expect(stderr).toMatch(/made with another configuration[\s\S]*where: +training in/);
});

test.concurrent('Ctrl-C stops the cell and says how to go on; --resume completes the run', async () => {
  const folder = temporaryFolder();
  const run = join(folder, 'run');
  const suite = fakeSuite(folder, ['done', 'slow'], { seeds: [0, 1] });
  const { child, ended } = startBench(folder, '--suite', suite, '--out', run);
  await until(
    () => existsSync(join(run, 'pids')) && linesOf(join(run, 'pids')).length === 1,
    'the slow cell',
  );
  child.kill('SIGINT');
  const { code, stderr } = await ended;
  expect(code).toBe(130);
  expect(stderr).toContain(`--resume --out ${run}`);
  expect(isAlive(Number(linesOf(join(run, 'pids'))[0]))).toBe(false);
  expect((await recordsOf(run)).map(({ cell }) => cell.seed)).toEqual([0, 1]);
  expect(existsSync(join(run, '.lock'))).toBe(false);

  writeFileSync(join(run, 'hurry'), '');
  const resumed = await bench(folder, '--resume', '--out', run);
  expect(resumed.code).toBe(0);
  expect(resumed.stderr).toContain('2 cells to do, 2 done before');
  expect((await recordsOf(run)).map(({ cell }) => `${cell.label} ${cell.seed}`)).toEqual([
    'done 0',
    'done 1',
    'slow 0',
    'slow 1',
  ]);
});

test.concurrent('when the parent is killed its cell ends by itself, and the run can be resumed at once', async () => {
  const folder = temporaryFolder();
  const run = join(folder, 'run');
  const { child, ended } = startBench(folder, '--suite', fakeSuite(folder, ['slow']), '--out', run);
  await until(
    () => existsSync(join(run, 'pids')) && linesOf(join(run, 'pids')).length === 1,
    'the slow cell',
  );
  child.kill('SIGKILL');
  await ended;
  await until(() => !isAlive(Number(linesOf(join(run, 'pids'))[0])), 'the end of the cell');
  expect(existsSync(join(run, '.lock'))).toBe(true);
  const resumed = startBench(folder, '--resume', '--out', run);
  await until(() => linesOf(join(run, 'pids')).length === 2, 'the second attempt');
  resumed.child.kill('SIGINT');
  expect((await resumed.ended).code).toBe(130);
});

test
  .runIf(process.platform === 'linux')
  .concurrent('Ctrl-Z pauses the cell too, and both go on', async () => {
    const folder = temporaryFolder();
    const run = join(folder, 'run');
    const { child, ended } = startBench(folder, '--suite', fakeSuite(folder, ['slow']), '--out', run);
    await until(() => existsSync(join(run, 'pids')), 'the slow cell');
    const cell = Number(linesOf(join(run, 'pids'))[0]);
    const isPaused = (pid: number) => /\) T /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    expect(isPaused(cell)).toBe(false);
    child.kill('SIGTSTP');
    await until(() => isPaused(cell) && isPaused(child.pid!), 'the pause');
    child.kill('SIGCONT');
    await until(() => !isPaused(cell) && !isPaused(child.pid!), 'its end');
    child.kill('SIGINT');
    expect((await ended).code).toBe(130);
  });

test.concurrent('a run ends before the next cell when asked to stop', async () => {
  const folder = temporaryFolder();
  const run = join(folder, 'run');
  const flags = ['--suite', fakeSuite(folder, ['done', 'done too', 'done last']), '--out', run];
  expect((await bench(folder, ...flags)).code).toBe(0);
  const plan = await readPlan(run);
  for (const { id } of plan.cells) rmSync(join(run, 'records', `${id}.json`));
  let asked = 0;
  const { records, stopped } = await runCells(
    run,
    plan,
    { dataDir: folder, cacheDir: folder },
    { view: quietView(() => {}), entry: fixture('fake-cell.mjs'), mayStart: () => ++asked <= 2 },
  );
  expect(stopped).toBe(true);
  expect(records.map(({ cell }) => cell.label)).toEqual(['done', 'done too']);
});

test.concurrent('two processes cannot work in one run folder', async () => {
  const folder = temporaryFolder();
  const run = join(folder, 'run');
  const first = startBench(folder, '--suite', fakeSuite(folder, ['slow']), '--out', run);
  await until(
    () => existsSync(join(run, 'pids')) && linesOf(join(run, 'pids')).length === 1,
    'the slow cell',
  );
  const { code, stderr } = await bench(folder, '--resume', '--out', run);
  expect(code).toBe(2);
  expect(stderr).toContain(`process ${first.child.pid} on`);
  first.child.kill('SIGINT');
  await first.ended;
});

test.concurrent('an output folder that cannot be written, or is in use, is refused before any cell starts', async () => {
  const folder = temporaryFolder();
  const suite = fakeSuite(folder, ['done']);
  writeFileSync(join(folder, 'file'), '');
  const blocked = await bench(folder, '--suite', suite, '--out', join(folder, 'file', 'run'));
  expect(blocked.code).toBe(2);
  expect(blocked.stderr).toMatch(/cannot be written[\s\S]*ENOTDIR/);
  // Linux denies that anything below /proc can exist, which sends Node's recursive mkdir into a loop.
  if (process.platform === 'linux') {
    const denied = await bench(folder, '--suite', suite, '--out', '/proc/kora/run');
    expect(denied.code).toBe(2);
    expect(denied.stderr).toMatch(/cannot be written[\s\S]*ENOENT/);
  }
  mkdirSync(join(folder, 'full'));
  writeFileSync(join(folder, 'full', 'thesis.txt'), '');
  const full = await bench(folder, '--suite', suite, '--out', join(folder, 'full'));
  expect(full.code).toBe(2);
  expect(full.stderr).toMatch(/not empty[\s\S]*thesis\.txt/);
  expect(readdirSync(join(folder, 'full'))).toEqual(['thesis.txt']);
});

test.concurrent('results alone are on stdout: --json gives one document with every record', async () => {
  const folder = temporaryFolder();
  const suite = fakeSuite(folder, ['done'], { seeds: [0, 1, 2] });
  const { code, stdout } = await bench(folder, '--suite', suite, '--json');
  expect(code).toBe(0);
  const result = JSON.parse(stdout) as { rows: { seeds: number[] }[]; records: unknown[] };
  expect(result.rows.map(({ seeds }) => seeds)).toEqual([[0, 1, 2]]);
  expect(result.records.map((record) => recordSchema.parse(record).status)).toEqual(['done', 'done', 'done']);
});
