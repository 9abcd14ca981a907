import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSide } from '@kora-bench/bench';
import { describe, expect, test } from 'vitest';
import type { Ended } from './captured-output.js';
import { collectOutput } from './captured-output.js';
import { fakeSuite, fixture, temporaryFolder } from './fake-run.js';
import { images, recordedRun } from './recorded-run.js';
import type { ScratchRepository } from './scratch-repository.js';
import { scratchRepository, scratchRepositoryAt } from './scratch-repository.js';

const bin = fixture('bench-with-fake-cells.mjs');

function suiteOf(label: string): string {
  return readFileSync(fakeSuite(temporaryFolder(), [label]), 'utf8');
}

/** A repository with a suite of one fake cell, which is done, on the branch main. */
function repository(): ScratchRepository {
  const made = scratchRepository();
  made.commit({ 'suite.json': suiteOf('done'), '.gitignore': 'bench-ci\n' });
  return made;
}

function ci(folder: string, ...words: readonly string[]): Promise<Ended> {
  const env = {
    ...process.env,
    CI: '1',
    KORA_CACHE_DIR: join(folder, '..', 'cache'),
    KORA_DATA_DIR: join(folder, '..', 'data'),
  };
  const common = ['--suite', './suite.json', '--bin', bin];
  const [subcommand, ...rest] = words;
  const child = spawn(process.execPath, [bin, 'ci', subcommand!, ...common, ...rest], { cwd: folder, env });
  return collectOutput(child).ended;
}
const compare = (folder: string, ...words: readonly string[]) =>
  ci(folder, 'compare', '--base', 'main', '--speed-rounds', '0', ...words, '--', '--no-estimate');
const record = (folder: string, ...words: readonly string[]) =>
  ci(folder, 'record', ...words, '--', '--no-estimate');

describe('ci compare', () => {
  test('a change that breaks a cell fails the check, and the comment says why', async () => {
    const { folder, git, commit } = repository();
    git('switch', '-qc', 'change');
    commit({ 'suite.json': suiteOf('fail') });
    const { code, stderr } = await compare(folder);
    expect(code).toBe(1);
    expect(stderr).toContain('Something is worse: running the suite with the head once more.');
    const comment = readFileSync(join(folder, 'bench-ci', 'comment.md'), 'utf8');
    expect(comment).toMatch(/^<!-- kora-bench -->\n\n## Benchmarks: 1 regression\n/);
    expect(comment).toContain('why this check fails:\n\n- fail: finished -1');
    const { failed, alarms } = JSON.parse(
      readFileSync(join(folder, 'bench-ci', 'comparison.json'), 'utf8'),
    ) as { failed: boolean; alarms: readonly object[] };
    expect(failed).toBe(true);
    expect(alarms).toEqual([{ gates: true, cell: 'fail', measure: 'finished', difference: '-1 (-100.0 %)' }]);
  });

  test('the base is where the change branched off: what main did since does not count', async () => {
    const { folder, git, commit } = repository();
    git('switch', '-qc', 'change');
    commit({ 'notes.txt': 'a change' });
    git('switch', '-q', 'main');
    commit({ 'suite.json': suiteOf('fail') });
    const { code, stdout } = await compare(folder, '--head', 'change');
    expect(stdout).toContain('1 cell compared');
    expect(code).toBe(0);
    expect(readFileSync(join(folder, 'bench-ci', 'comment.md'), 'utf8')).toContain('no regression');
  });

  test('a suite that does not run says with which revision; results that are there are not mixed with others', async () => {
    const { folder, git, commit } = repository();
    git('switch', '-qc', 'change');
    commit({ 'suite.json': '{ "extends": "nothing" }' });
    const { code, stderr } = await compare(folder);
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /The suite does not run with HEAD \([0-9a-f]{10}\)\.[\s\S]*There is no suite "nothing"/,
    );
    const again = await compare(folder);
    expect(again.code).toBe(2);
    expect(again.stderr).toContain('The output folder is not empty.');
  });
});

describe('ci record', () => {
  const entriesOf = (folder: string, branch = 'bench-history') => {
    const { git } = scratchRepositoryAt(folder);
    const files = git('ls-tree', '-r', '--name-only', branch).split('\n');
    const series = files.filter((name) => name.endsWith('.jsonl'));
    const lines = series.flatMap((name) => git('show', `${branch}:${name}`).split('\n'));
    return lines
      .map((line) => JSON.parse(line) as { kind: string; commit?: string })
      .filter(({ kind }) => kind === 'entry');
  };

  test('begins the branch, adds to it, and leaves the checkout as it is', async () => {
    const { folder, git, commit } = repository();
    const first = git('rev-parse', 'HEAD');
    expect((await record(folder, '--no-push', '--out', 'bench-ci/1')).code).toBe(0);
    const second = commit({ 'notes.txt': 'more' });
    const site = join(folder, '..', 'site');
    expect((await record(folder, '--no-push', '--out', 'bench-ci/2', '--site', site)).code).toBe(0);
    expect(readFileSync(join(site, 'index.html'), 'utf8')).toContain('What changed');
    // The history and the run just made.
    expect(readFileSync(join(site, 'series.html'), 'utf8')).toMatch(/"points":2|2 results/);
    expect(readFileSync(join(site, 'runs.html'), 'utf8')).toMatch(/>1<[\s\S]*done/);
    expect(
      entriesOf(folder)
        .map((entry) => entry.commit)
        .sort(),
    ).toEqual([first, second].sort());
    expect(git('status', '--porcelain')).toBe('');
    expect(git('branch', '--show-current')).toBe('main');
    expect(git('ls-tree', '-r', '--name-only', 'bench-history')).not.toContain('suite.json');
    // The checkouts of revisions stay, that of the branch does not.
    expect(git('worktree', 'list')).not.toContain('kora-history-');
  });

  test('two machines that push at once: both results are on the branch', async () => {
    const origin = repository();
    const bare = join(origin.folder, '..', 'origin.git');
    origin.git('clone', '-q', '--bare', origin.folder, bare);
    const clones = [1, 2, 3].map((n) => {
      const folder = join(temporaryFolder(), `clone${n}`);
      origin.git('clone', '-q', bare, folder);
      const clone = scratchRepositoryAt(folder);
      clone.commit({ 'notes.txt': `${n}` });
      return folder;
    });
    const ended = await Promise.all(clones.map((folder) => record(folder)));
    expect(ended.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(entriesOf(bare)).toHaveLength(3);
  });

  test('a remote that cannot be reached is an error, and the run stays', async () => {
    const { folder } = repository();
    const { code, stderr } = await record(folder);
    expect(code).toBe(2);
    expect(stderr).toMatch(/Git refused\.[\s\S]*origin/);
    expect(existsSync(join(folder, 'bench-ci', 'run', 'run.json'))).toBe(true);
  });
});

test('files of a checkout are the same setting in another checkout', async () => {
  const run = (checkout: string) => {
    const folder = recordedRun([{ correct: images(10) }]);
    const path = join(folder, 'records', 'lora-s0.json');
    const made = JSON.parse(readFileSync(path, 'utf8')) as { config: { phases: { data: string }[] } };
    made.config.phases[0]!.data = `${checkout}/images`;
    writeFileSync(path, JSON.stringify(made));
    return folder;
  };
  const configuration = async (checkout: string, known?: string) =>
    (await readSide(run(checkout), known === undefined ? {} : { checkout: known })).cells[0]!.configuration;
  expect(await configuration('/a/b', '/a/b')).toBe(await configuration('/c', '/c'));
  expect(await configuration('/a/b')).not.toBe(await configuration('/c'));
});
