import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readPlan } from '@kora-bench/bench';
import { describe, expect, test } from 'vitest';
import { bench, fakeSuite, startBench, temporaryFolder } from './fake-run.js';

/* What a job that nobody watches can tell from exit codes and JSON. */

const errorIn = (stdout: string) => (JSON.parse(stdout) as { error: Record<string, string | null> }).error;

describe.concurrent('exit codes', () => {
  test('--fail-on: findings of that severity or graver', async () => {
    const folder = temporaryFolder();
    const suite = fakeSuite(folder, ['finds', 'done']);
    const run = join(folder, 'run');
    const before = await bench(folder, '--suite', suite, '--out', run);
    expect(before.code, before.stderr).toBe(0);
    for (const level of ['error', 'warning']) {
      const { code, stderr } = await bench(folder, 'audit', run, '--fail-on', level);
      expect(code).toBe(3);
      expect(stderr).toMatch(new RegExp(`--fail-on ${level}: .*MERGE`));
    }
    const again = await bench(
      folder,
      '--suite',
      suite,
      '--out',
      join(folder, 'second'),
      '--fail-on',
      'error',
    );
    expect(again.code).toBe(3);
    expect(again.stdout).toContain('MERGE');
    expect((await bench(folder, 'audit', run, '--fail-on', 'info')).code).toBe(2);
  });

  test('findings below the severity cost nothing', async () => {
    const folder = temporaryFolder();
    const run = join(folder, 'run');
    const args = ['--suite', fakeSuite(folder, ['warns']), '--out', run, '--fail-on', 'error'];
    expect((await bench(folder, ...args)).code).toBe(0);
    expect((await bench(folder, 'audit', run, '--fail-on', 'error')).code).toBe(0);
    expect((await bench(folder, 'audit', run, '--fail-on', 'warning')).code).toBe(3);
  });

  test('a lost run.json, and so no report: results are missing', async () => {
    const folder = temporaryFolder();
    const run = join(folder, 'run');
    const { code, stderr } = await bench(folder, '--suite', fakeSuite(folder, ['loses']), '--out', run);
    expect(stderr).toContain('There is no report.');
    expect(code).toBe(4);
  });

  test('a report that cannot be written is more than a failed cell', async () => {
    const folder = temporaryFolder();
    const run = join(folder, 'run');
    const suite = fakeSuite(folder, ['fail']);
    expect((await bench(folder, '--suite', suite, '--out', run)).code).toBe(1);
    const blocked = join(folder, 'blocked');
    const { child, ended } = startBench(folder, '--suite', fakeSuite(folder, ['waits']), '--out', blocked);
    child.stderr!.on('data', () => mkdirSync(join(blocked, 'report.html'), { recursive: true }));
    child.stderr!.once('data', () => setTimeout(() => child.kill('SIGINT'), 0));
    expect((await ended).code).toBe(130);
    const resumed = await bench(folder, '--resume', '--out', blocked, '--cell-timeout', '1s');
    expect(resumed.code).toBe(4);
  });

  test('an audit of a run with failed or missing cells', async () => {
    const folder = temporaryFolder();
    const run = join(folder, 'run');
    await bench(folder, '--suite', fakeSuite(folder, ['done', 'fail']), '--out', run);
    const failed = await bench(folder, 'audit', run);
    expect(failed.code).toBe(1);
    expect(failed.stdout).toMatch(
      /1 of 2 cells are done and audited[\s\S]*Failed cells:\n.*TRAINING: Not enough/,
    );
    const json = await bench(folder, 'audit', run, '--json');
    expect(json.code).toBe(1);
    expect(JSON.parse(json.stdout)).toMatchObject({
      cells: 2,
      audited: 1,
      failed: [{ error: { code: 'TRAINING' } }],
      missing: [],
    });
  });
});

describe.concurrent('--minutes', () => {
  test('starts no more cells once they are over, shows what is there, and can be gone on with', async () => {
    const folder = temporaryFolder();
    const run = join(folder, 'run');
    const suite = fakeSuite(folder, ['done', 'done too']);
    // They are over before the last cell can begin.
    const flags = ['--suite', suite, '--out', run, '--minutes', '0.0001', '--json'];
    const first = await bench(folder, ...flags);
    expect(first.code, first.stderr).toBe(5);
    const { records, error } = JSON.parse(first.stdout) as { records: unknown[]; error: object };
    const { cells } = await readPlan(run);
    expect(records.length).toBeLessThan(cells.length);
    expect(error).toMatchObject({
      code: 'OUT_OF_TIME',
      message: `The time is up; ${records.length} of 2 cells are done.`,
      fix: `--resume --out ${run}`,
    });
    expect(readdirSync(run)).toContain('report.html');
    expect(readdirSync(run)).not.toContain('.lock');
    const { code } = await bench(folder, '--resume', '--out', run, '--minutes', '600');
    expect(code).toBe(0);
  });
});

describe.concurrent('--json prints failures too', () => {
  test.each([
    ['an unknown flag', ['--sede', '1'], 'INPUT', /unknown option '--sede'/],
    ['an unknown command', ['runn'], 'INPUT', /There is no command "runn"/],
    ['a field out of range', ['--epochs', '-1'], 'INPUT', /./],
    ['an unknown suite', ['--suite', 'none-such'], 'INPUT', /none-such/],
    ['nothing to audit', ['audit'], 'MISSING_DATA', /There is no run yet/],
    ['nothing to resume', ['--resume'], 'MISSING_DATA', /There is no run yet/],
    ['an unknown kind', ['list', 'metods'], 'INPUT', /metods/],
    ['unknown data', ['data', 'verify', 'cifra10'], 'INPUT', /cifra10/],
    ['an unknown model', ['params', '--model', 'vit', '--classes', '3'], 'INPUT', /vit/],
    ['an unknown method', ['throughput', '--method', 'lroa'], 'INPUT', /lroa/],
    ['a wrong value', ['params', '--model', 'vit', '--classes', 'x'], 'INPUT', /classes/],
  ])('%s', async (_what, args, code, message) => {
    const ended = await bench(temporaryFolder(), ...args, '--json');
    expect(ended.code).toBe(2);
    const error = errorIn(ended.stdout);
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) as string });
    expect(Object.keys(error)).toEqual(['code', 'message', 'where', 'expected', 'received', 'fix']);
    expect(ended.stderr).not.toBe('');
  });

  test('a run that is stopped', async () => {
    const folder = temporaryFolder();
    const run = join(folder, 'run');
    const suite = fakeSuite(folder, ['waits']);
    const { child, ended } = startBench(folder, '--suite', suite, '--out', run, '--json');
    child.stderr!.on('data', (chunk: Buffer) => {
      if (chunk.toString().includes('starting')) child.kill('SIGTERM');
    });
    const { code, stdout } = await ended;
    expect(code).toBe(143);
    expect(errorIn(stdout)).toMatchObject({ code: 'STOPPED', fix: `--resume --out ${run}` });
  });
});

describe.concurrent('without a terminal', () => {
  test('lines are as long as COLUMNS says', async () => {
    const folder = temporaryFolder();
    const run = join(folder, 'run');
    const suite = fakeSuite(folder, ['done']);
    const longest = (text: string) => Math.max(...text.split('\n').map((line) => line.length));
    const free = await bench(folder, '--suite', suite, '--out', run);
    expect(longest(free.stdout)).toBeGreaterThan(100);
    const narrow = startBench(folder, { COLUMNS: '72' }, '--resume', '--out', run);
    const { stdout } = await narrow.ended;
    // Paths and the lines on how to read the table have no place to break.
    const table = stdout.slice(0, stdout.indexOf('\n\n'));
    expect(
      longest(
        table
          .split('\n')
          .filter((line) => /[─│]|probe/.test(line))
          .join('\n'),
      ),
    ).toBeLessThanOrEqual(72);
    const findings = stdout.slice(stdout.indexOf('Findings of the audits'), stdout.indexOf('\nRun:'));
    expect(longest(findings)).toBeLessThanOrEqual(72);
  });
});

test('a suite in a folder whose user has no home: the variable to set is named, and with it all works', async () => {
  const folder = temporaryFolder();
  const noHome = new URL('../../platform-node/test/no-home.mjs', import.meta.url);
  const environment = { NODE_OPTIONS: `--import ${noHome.href}`, KORA_DATA_DIR: '' };
  const suite = fakeSuite(folder, ['done']);
  const without = await startBench(folder, { ...environment, KORA_CACHE_DIR: '' }, '--suite', suite).ended;
  expect(without.code).toBe(2);
  expect(without.stderr).toMatch(
    /no home folder[\s\S]*where: +KORA_CACHE_DIR[\s\S]*fix: +Set KORA_CACHE_DIR/,
  );
  const cache = { KORA_CACHE_DIR: join(folder, 'cache') };
  const run = await startBench(folder, { ...environment, ...cache }, '--suite', suite).ended;
  expect(run.code, run.stderr).toBe(0);
  writeFileSync(join(folder, 'kora.config.json'), '{ "plugins": {} }');
  expect((await startBench(folder, { ...environment, ...cache }, 'list').ended).code).toBe(0);
});

test('an unbuilt checkout says what to run, also as JSON', () => {
  const checkout = temporaryFolder();
  mkdirSync(join(checkout, 'bin'));
  writeFileSync(join(checkout, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(checkout, 'tsconfig.json'), '{}');
  cpSync(new URL('../bin/kora-bench.js', import.meta.url), join(checkout, 'bin', 'kora-bench.js'));
  const start = (...args: string[]) =>
    spawnSync(process.execPath, [join(checkout, 'bin', 'kora-bench.js'), ...args], { encoding: 'utf8' });
  const { status, stderr } = start('list');
  expect(status).toBe(2);
  expect(stderr).toMatch(/This checkout is not built\.[\s\S]*fix: +Run in the checkout: .*pnpm.* build/);
  expect(errorIn(start('list', '--json').stdout)).toMatchObject({ code: 'NOT_BUILT' });
  // In an installed package it would be another fault.
  rmSync(join(checkout, 'tsconfig.json'));
  expect(start('list').stderr).toContain('ERR_MODULE_NOT_FOUND');
});

test('a plugin that was not built is named, with what to run', async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'mine'));
  writeFileSync(join(folder, 'mine', 'tsconfig.json'), '{}');
  writeFileSync(join(folder, 'mine', 'index.mjs'), "export { default } from './dist/index.js';");
  writeFileSync(join(folder, 'kora.config.json'), '{ "plugins": { "methods": ["./mine/index.mjs"] } }');
  const { code, stderr } = await bench(folder, 'list', 'methods');
  expect(code).toBe(2);
  expect(stderr).toContain(join('mine', 'dist', 'index.js'));
});
