import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRun, loadSuite, planCells, resolveConfig } from '@kora-bench/bench';
import { main } from '@kora-bench/bench/cli';
import { expect, test } from 'vitest';
import { captureOutput } from './captured-output.js';
import { fakeSuite, temporaryFolder } from './fake-run.js';

const folder = temporaryFolder();
const suite = fakeSuite(folder, ['done']);
const written = captureOutput();

/** What a command complains about. */
async function complaint(...args: readonly string[]): Promise<string> {
  Object.assign(written, { stdout: '', stderr: '' });
  const code = await main(args, { cellEntry: join(folder, 'no-such-program.js') });
  expect({ code, ...written }).toMatchObject({ code: 2, stdout: '' });
  expect(written.stderr).not.toMatch(/^\s+at /m);
  return written.stderr;
}

test('a run that an older version made is refused with a clear word', async () => {
  const runDir = join(folder, 'first-form');
  mkdirSync(runDir);
  writeFileSync(join(runDir, 'run.json'), JSON.stringify({ schemaVersion: 1, suite: 'default' }));
  for (const args of [
    ['report', runDir],
    ['audit', runDir],
    ['--resume', '--out', runDir],
  ]) {
    const stderr = await complaint(...args);
    expect(stderr).toMatch(/The run plan was written by an older version of this suite/);
    expect(stderr).toMatch(/where: +.*first-form.run\.json[\s\S]*expected: .*"schemaVersion": 2/);
    expect(stderr).toMatch(/fix: +Show it with the version that wrote it, or run its configuration again/);
  }
});

test('a record that is corrupt or of an older version is named', async () => {
  const runDir = join(folder, 'corrupt');
  const resolved = await resolveConfig((await loadSuite(suite)).config);
  const cells = planCells(resolved);
  const createdAt = new Date(0).toISOString();
  const plan = { schemaVersion: 2 as const, suite: 'x', createdAt, config: resolved.config, cells };
  await (await createRun(runDir, plan)).release();
  mkdirSync(join(runDir, 'records'));
  const path = join(runDir, 'records', `${cells[0]!.id}.json`);
  writeFileSync(path, '{"schemaVersion": 2');
  const corrupt = await complaint('audit', runDir);
  expect(corrupt).toContain(`${cells[0]!.id}.json`);
  expect(corrupt).toMatch(/fix: +Run with --resume/);
  writeFileSync(path, '{"schemaVersion": 1}');
  const old = await complaint('audit', runDir);
  expect(old).toMatch(/The record was written by an older version/);
});

test('a broken run.json does not advise the command that it breaks', async () => {
  const runDir = join(folder, 'broken-plan');
  mkdirSync(runDir);
  writeFileSync(join(runDir, 'run.json'), '{"schemaVersion": 2, "suite"');
  for (const args of [
    ['run', '--resume', '--out', runDir],
    ['report', runDir],
    ['audit', runDir],
  ]) {
    const stderr = await complaint(...args);
    expect(stderr).toMatch(/The run plan is not valid[\s\S]*where: +.*broken-plan.run\.json/);
    expect(stderr).not.toContain('--resume');
    expect(stderr).toMatch(/fix: +Start the run again in another folder with --out/);
  }
});
