import { spawn } from 'node:child_process';
import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { abFileSchema } from '@kora-bench/bench';
import { describe, expect, test } from 'vitest';
import type { Ended } from './captured-output.js';
import { collectOutput } from './captured-output.js';
import { fixture, temporaryFolder, until } from './fake-run.js';
import type { ScratchRepository } from './scratch-repository.js';
import { scratchRepository } from './scratch-repository.js';

const bin = fileURLToPath(new URL('../bin/kora-bench.js', import.meta.url));

/** A repository with a command line of its own, whose branch `base` measures 100 images/s. */
function repository(): ScratchRepository {
  const made = scratchRepository();
  cpSync(fixture('fake-bench.mjs'), join(made.folder, 'bench.mjs'));
  made.commit({ 'revision.json': { imagesPerSecond: 100 }, '.gitignore': 'runs\n' });
  made.git('branch', 'base');
  return made;
}

function start(folder: string, words: readonly string[], environment: NodeJS.ProcessEnv = {}) {
  const env = { ...process.env, KORA_CACHE_DIR: join(folder, '..', 'cache'), ...environment };
  const child = spawn(process.execPath, [bin, ...words], { cwd: folder, env });
  const { ended, written } = collectOutput(child);
  return { child, ended, said: () => written.stderr };
}
const startAb = (folder: string, words: readonly string[], environment: NodeJS.ProcessEnv = {}) =>
  start(folder, ['ab', ...words], environment);
const common = ['--bin', 'bench.mjs', '--method', 'lora', '--rounds', '6'];
const ab = (folder: string, ...words: readonly string[]) => startAb(folder, [...words, ...common]).ended;

interface Row {
  readonly measure: { readonly key: string };
  readonly verdict: string;
  readonly note: string;
}
function result({ stdout }: Ended) {
  const { comparisons, measurements } = JSON.parse(stdout) as {
    comparisons: [{ rows: readonly Row[]; base: string; head: string; problems: readonly string[] }];
    measurements: string;
  };
  const file = abFileSchema.parse(JSON.parse(readFileSync(measurements, 'utf8')));
  return {
    ...comparisons[0],
    rowOf: (key: string) => comparisons[0].rows.find(({ measure }) => measure.key === key)!,
    file,
  };
}

describe('verdicts', () => {
  test('a slower revision is worse once the confirmation shows it again, and exits with 1', async () => {
    const { folder, commit, git } = repository();
    commit({ 'revision.json': { imagesPerSecond: 90 } });
    const ended = await ab(folder, 'base', 'main', '--json');
    expect(ended.code).toBe(1);
    const { rowOf, base, head, file } = result(ended);
    expect(rowOf('imagesPerSecond')).toMatchObject({ verdict: 'worse', note: 'A rerun shows it again.' });
    expect(rowOf('peakMemoryBytes').verdict).toBe('same');
    const { measurements } = JSON.parse(ended.stdout) as { measurements: string };
    const again = await start(folder, ['compare', measurements, '--json']).ended;
    expect({ code: again.code, stdout: again.stdout }).toEqual({ code: 1, stdout: ended.stdout });
    expect([base, head]).toEqual([
      `base (${git('rev-parse', 'base').slice(0, 10)})`,
      `main (${git('rev-parse', 'main').slice(0, 10)})`,
    ]);
    const parts = (part: string) => file.measurements.filter((one) => one.part === part);
    expect([parts('comparison').length, parts('confirmation').length]).toEqual([12, 12]);
  });

  test('sides alternate, and of two rounds each begins one', async () => {
    const { folder } = repository();
    const ended = await ab(folder, 'base', 'main', '--json');
    expect(ended.code).toBe(0);
    const { measurements } = result(ended).file;
    const rounds = [0, 1, 2, 3, 4, 5].map((round) => measurements.filter((one) => one.round === round));
    const first = rounds.map((pair) => pair.find(({ order }) => order === 0)!.side);
    for (const pair of rounds) expect(pair.map(({ side }) => side).sort()).toEqual(['base', 'head']);
    for (const i of [0, 2, 4]) expect([first[i], first[i + 1]].sort()).toEqual(['base', 'head']);
  });

  test('the working tree counts with the changes in it, also where it is the default', async () => {
    const { folder, write } = repository();
    write({ 'revision.json': { imagesPerSecond: 120 } });
    const ended = await ab(folder, 'main', '--json');
    expect(ended.code).toBe(0);
    const { rowOf, head } = result(ended);
    expect(rowOf('imagesPerSecond').verdict).toBe('better');
    expect(head).toMatch(/^\. \([0-9a-f]{10} with changes\)$/);
  });

  test('more memory is worse', async () => {
    const { folder, commit } = repository();
    commit({ 'revision.json': { peakMemoryBytes: 5e8 } });
    const ended = await ab(folder, 'base', 'main');
    expect(ended.code).toBe(1);
    expect(ended.stdout).toMatch(/worse +lora +peak memory +400 MB +500 MB/);
    expect(ended.stdout).toContain('6 rounds by turns');
  });

  test('a method that fails on one side alone is worse there; the others are compared', async () => {
    const { folder, commit } = repository();
    commit({ 'revision.json': { broken: ['dora'] } });
    const ended = await ab(folder, 'base', 'main', '--method', 'dora', '--json');
    expect(ended.code).toBe(1);
    const { rows, problems } = result(ended);
    const finished = rows.filter(({ measure }) => measure.key === 'finished');
    expect(finished.map(({ verdict }) => verdict).sort()).toEqual(['same', 'worse']);
    expect(problems).toContainEqual('head, dora failed: It does not compile.');
  });
});

describe('builds', () => {
  test('a revision is built once, by the line that is given, and a second call finds it built', async () => {
    const { folder } = repository();
    const words = ['base', 'main', '--rounds', '1', '--setup', 'echo built >> built.txt'];
    const first = await startAb(folder, [...common, ...words]).ended;
    expect(first.stderr).toContain('Preparing base');
    const second = await startAb(folder, [...common, ...words]).ended;
    expect(second.stderr).not.toContain('Preparing');
    const own = join(folder, '..', 'cache', 'revisions');
    const [repositoryName] = readdirSync(own);
    const [built] = readdirSync(join(own, repositoryName!)).filter((name) => /^[0-9a-f]{16}$/.test(name));
    expect(readFileSync(join(own, repositoryName!, built!, 'built.txt'), 'utf8')).toBe('built\n');
  });

  test('by the lockfile and the script build; a folder keeps what is installed in it', async () => {
    const { folder, commit } = repository();
    const made = { name: 'made', version: '1.0.0' };
    commit({
      'package.json': { ...made, scripts: { build: 'node -e 1' } },
      'package-lock.json': { ...made, lockfileVersion: 3, packages: { '': made } },
    });
    const { code, stderr } = await startAb(folder, ['main', '.', ...common, '--rounds', '1']).ended;
    expect(code).toBe(0);
    const prepared = stderr.split('\n').filter((line) => line.startsWith('Preparing'));
    expect(prepared).toEqual([
      expect.stringMatching(/^Preparing main .*: npm ci /),
      expect.stringMatching(/^Preparing main .*: npm run build/),
      expect.stringMatching(/^Preparing \.: npm run build/),
    ]);
  });

  test('a revision that does not build: which one, and the end of what the build printed', async () => {
    const { folder, commit } = repository();
    commit({
      'package.json': {
        name: 'x',
        scripts: { build: 'node -e "console.error(\'no such type\'); process.exit(3)"' },
      },
    });
    const { code, stderr } = await ab(folder, 'base', 'main');
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /The revision main \([0-9a-f]{10}\) cannot be built\.[\s\S]*no such type[\s\S]*--setup/,
    );
  });

  test('a checkout that was deleted from the cache is made again', async () => {
    const { folder } = repository();
    const words = ['base', 'main', '--rounds', '1'];
    await startAb(folder, [...common, ...words]).ended;
    const env = { KORA_CACHE_DIR: temporaryFolder() };
    expect((await startAb(folder, [...common, ...words], env).ended).code).toBe(0);
  });
});

describe('bad input', () => {
  test('no repository, an unknown revision, a folder that is not there', async () => {
    const outside = await ab(temporaryFolder(), 'main');
    expect(outside.code).toBe(2);
    expect(outside.stderr).toContain('This is not a git repository.');
    const { folder } = repository();
    const unknown = await ab(folder, 'bsae');
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toMatch(/Git knows no revision "bsae"\.[\s\S]*fix: .*base/);
    expect((await ab(folder, 'main', './nowhere')).stderr).toContain('There is no such folder.');
  });

  test('a revision without throughput as JSON', async () => {
    const { folder, commit } = repository();
    commit({ 'revision.json': { says: 'There is no command "throughput".' } });
    const { code, stderr } = await ab(folder, 'base', 'main');
    expect(code).toBe(2);
    expect(stderr).toMatch(/The revision main .* does not say how fast it is\.[\s\S]*There is no command/);
  });

  test('what fails on both sides is no comparison', async () => {
    const { folder, write } = repository();
    write({ 'revision.json': { broken: ['lora'] } });
    const { code, stderr } = await ab(folder, '.', '.');
    expect(code).toBe(2);
    expect(stderr).toContain('Nothing was measured.');
  });
});

describe('an early end', () => {
  test('Ctrl-C keeps what was measured and compares it', async () => {
    const { folder } = repository();
    const { child, ended, said } = startAb(folder, ['base', 'main', ...common, '--rounds', '1000', '--json']);
    await until(() => said().includes('Round 2/1000'), 'two rounds');
    child.kill('SIGINT');
    const { code, stdout, stderr } = await ended;
    expect(code).toBe(130);
    const { rowOf, file } = result({ code, stdout, stderr });
    expect(rowOf('imagesPerSecond').verdict).not.toBe('worse');
    expect(file.measurements.length).toBeGreaterThanOrEqual(4);
    expect(file.measurements.length % 2).toBe(0);
  });

  test('--minutes ends it between two pairs', async () => {
    const { folder } = repository();
    const { code, stderr } = await startAb(folder, [
      ...['base', 'main', ...common, '--rounds', '1000', '--minutes', '0.05'],
    ]).ended;
    expect(code).toBe(0);
    expect(stderr).toContain('The time is up');
  });
});
