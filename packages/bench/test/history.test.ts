import { execFileSync, spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { main } from '@kora-bench/bench/cli';
import { parquetReadObjects } from 'hyparquet';
import { describe, expect, test } from 'vitest';
import { captureOutput } from './captured-output.js';
import { fixture, temporaryFolder } from './fake-run.js';
import type { RecordedCell } from './recorded-run.js';
import { images, recordedRun } from './recorded-run.js';

const written = captureOutput();

const correct = images(1000, (i) => i % 4 === 0);
/** Runs of one configuration, one a day. */
const day = (n: number, more: Partial<RecordedCell> = {}): RecordedCell => ({
  correct,
  commit: n.toString(16).padStart(40, '0'),
  startedAt: new Date(Date.UTC(2026, 0, 1 + n)).toISOString(),
  ...more,
});

async function history(...args: readonly string[]): Promise<number> {
  Object.assign(written, { stdout: '', stderr: '' });
  return main(['history', ...args]);
}
const inFolder = (folder: string) => ['--history', folder];

/** A history of `count` days, whose speed falls by a tenth on day 20. */
async function filled(count: number): Promise<string> {
  const folder = join(temporaryFolder(), 'history');
  const runs = Array.from({ length: count }, (_, n) =>
    recordedRun([day(n, { imagesPerSecond: (n < 20 ? 100 : 90) + (n % 3) / 2 })]),
  );
  expect(await history('add', ...runs, ...inFolder(folder))).toBe(0);
  return folder;
}

/** The path of the only series. */
function seriesOf(folder: string): string {
  const testbed = readdirSync(folder).find((name) => !name.startsWith('.'))!;
  return join(folder, testbed, readdirSync(join(folder, testbed))[0]!);
}
interface Listed {
  readonly series: readonly {
    readonly entries: number;
    readonly marks: readonly { readonly text: string; readonly by: string }[];
    readonly measures: readonly {
      readonly measure: string;
      readonly shifts: { readonly shifts: readonly { readonly at: number; readonly change: number }[] };
    }[];
  }[];
  readonly damaged: readonly { readonly line: number; readonly reason: string }[];
}
async function listed(folder: string): Promise<Listed> {
  expect(await history('list', ...inFolder(folder), '--json')).toBe(0);
  return JSON.parse(written.stdout) as Listed;
}

describe('add and list', () => {
  test('a run is one line of its series, and adding it again changes nothing', async () => {
    const folder = join(temporaryFolder(), 'history');
    const run = recordedRun([day(1), day(1, { seed: 1 }), day(1, { label: 'full' })]);
    await history('add', run, ...inFolder(folder));
    expect(written.stdout).toContain('3 results added to 2 series');
    const before = readFileSync(seriesOf(folder), 'utf8');
    await history('add', run, ...inFolder(folder));
    expect(written.stdout).toContain('0 results added to 0 series');
    expect(written.stdout).toContain('3 known already');
    expect(readFileSync(seriesOf(folder), 'utf8')).toBe(before);
    expect((await listed(folder)).series.map(({ entries }) => entries).sort()).toEqual([1, 2]);
  });

  test('--commit says what was measured, where the suite is not what changes', async () => {
    const folder = join(temporaryFolder(), 'history');
    const commit = 'e'.repeat(40);
    await history('add', recordedRun([day(1)]), '--commit', commit, ...inFolder(folder));
    expect(readFileSync(seriesOf(folder), 'utf8')).toContain(`"commit":"${commit}","dirty":false`);
  });

  test('the shifts of every measure, with the commit, and marks of what a person accepted', async () => {
    const folder = await filled(30);
    const { series } = await listed(folder);
    const speed = series[0]!.measures.find(({ measure }) => measure === 'source/imagesPerSecond')!;
    expect(speed.shifts.shifts).toMatchObject([{ at: 20 }]);
    const commit = day(20).commit!;
    expect(
      await history('accept', commit, 'for the better gradient', '--by', 'Ada', ...inFolder(folder)),
    ).toBe(0);
    await history('list', ...inFolder(folder));
    expect(written.stdout).toMatch(/Shift of -\d+\.\d % in lora.*images\/s.*, accepted/);
    expect(written.stdout).toContain('for the better gradient (Ada,');
    expect(await history('accept', 'ffff', 'x', ...inFolder(folder))).toBe(2);
    expect(written.stderr).toContain('no such entry to accept');
  });

  test('an empty history and one that is not there', async () => {
    expect(await history('list', ...inFolder(join(temporaryFolder(), 'none')))).toBe(2);
    expect(written.stderr).toContain('There is no history here.');
    expect(await history('list', ...inFolder(temporaryFolder()))).toBe(0);
    expect(written.stdout).toContain('The history is empty');
    expect(
      await history('export', '--format', 'csv', '--out', temporaryFolder(), ...inFolder(temporaryFolder())),
    ).toBe(2);
    expect(written.stderr).toContain('The history is empty.');
  });
});

describe('damage', () => {
  test('lines that are cut off or nonsense are reported and passed over, and stay in the file', async () => {
    const folder = await filled(3);
    const file = seriesOf(folder);
    appendFileSync(file, '{"historyVersion":1,"kind":"ent');
    await history('add', recordedRun([day(5)]), ...inFolder(folder));
    const { series, damaged } = await listed(folder);
    expect(series[0]!.entries).toBe(4);
    expect(damaged).toMatchObject([{ reason: expect.stringContaining('not JSON') }]);
    expect(readFileSync(file, 'utf8')).toContain('{"historyVersion":1,"kind":"ent\n');
    await history('prune', '--keep', '1', ...inFolder(folder));
    expect(readFileSync(file, 'utf8')).toContain('{"historyVersion":1,"kind":"ent\n');
  });

  test('markers of a merge with a conflict: both sides are read', async () => {
    const folder = await filled(3);
    const file = seriesOf(folder);
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    writeFileSync(
      file,
      [...lines.slice(0, 2), '<<<<<<< HEAD', lines[2], '=======', lines[3], '>>>>>>> branch', ''].join('\n'),
    );
    await history('list', ...inFolder(folder));
    expect(written.stdout).toContain('3 lines are damaged, passed over and kept:');
    expect(written.stdout).toContain('A marker of a merge with a conflict');
    expect((await listed(folder)).series[0]!.entries).toBe(3);
  });

  test('git merges two branches that both added to one series', async () => {
    const repository = temporaryFolder();
    const folder = join(repository, 'history');
    const git = (...words: string[]) =>
      execFileSync('git', ['-C', repository, '-c', 'user.name=a', '-c', 'user.email=a@b', ...words]);
    const addDay = async (n: number) => {
      await history('add', recordedRun([day(n)]), ...inFolder(folder));
      git('add', '.');
      git('commit', '-qm', `day ${n}`);
    };
    git('init', '-q', '-b', 'main');
    await addDay(1);
    git('checkout', '-qb', 'other');
    await addDay(2);
    git('checkout', '-q', 'main');
    await addDay(3);
    git('merge', '-q', '-m', 'merge', 'other');
    const { series, damaged } = await listed(folder);
    expect(series[0]!.entries).toBe(3);
    expect(damaged).toEqual([]);
  });

  test('a full disk leaves the series as it was, says so, and adding again adds the rest', async () => {
    const folder = await filled(4);
    const file = seriesOf(folder);
    const before = readFileSync(file, 'utf8');
    const bin = fileURLToPath(new URL('./fixtures/bench-on-a-full-disk.mjs', import.meta.url));
    const run = recordedRun([day(9)]);
    // A limit on the size of files stands in for a full disk.
    const blocks = Math.floor(before.length / 1024);
    const { status, stderr: said } = spawnSync(
      'bash',
      [
        '-c',
        `ulimit -f ${blocks} && exec "$0" "$@"`,
        process.execPath,
        bin,
        'history',
        'add',
        run,
        ...inFolder(folder),
      ],
      { encoding: 'utf8' },
    );
    expect(said).toContain('The history cannot be written.');
    expect(status).toBe(2);
    expect(readFileSync(file, 'utf8')).toBe(before);
    expect(readdirSync(join(file, '..'))).toHaveLength(1);
    expect(await history('add', run, ...inFolder(folder))).toBe(0);
    expect((await listed(folder)).series[0]!.entries).toBe(5);
  });

  test('lines of a newer version are kept and named', async () => {
    const folder = await filled(2);
    const line = '{"historyVersion":2,"kind":"entry","new":"field"}';
    appendFileSync(seriesOf(folder), `${line}\n`);
    await history('add', recordedRun([day(5)]), ...inFolder(folder));
    expect(readFileSync(seriesOf(folder), 'utf8')).toContain(line);
    const { series, damaged } = await listed(folder);
    expect(series[0]!.entries).toBe(3);
    expect(damaged).toMatchObject([
      { reason: expect.stringContaining('A newer version of the suite wrote it') },
    ]);
  });

  test('a series that cannot be read is reported, and never replaced', async () => {
    const folder = await filled(2);
    const file = seriesOf(folder);
    rmSync(file);
    mkdirSync(file);
    expect(await history('add', recordedRun([day(5)]), ...inFolder(folder))).toBe(2);
    expect(written.stderr).toContain('cannot be read, so nothing is added to it');
    expect((await listed(folder)).damaged).toMatchObject([
      { reason: expect.stringMatching(/cannot be read/) },
    ]);
  });

  test('two processes at once lose nothing', async () => {
    const folder = join(temporaryFolder(), 'history');
    const bin = fileURLToPath(new URL('../bin/kora-bench.js', import.meta.url));
    const { spawn } = await import('node:child_process');
    await Promise.all(
      [1, 2, 3].map(
        (n) =>
          new Promise((done) =>
            spawn(process.execPath, [bin, 'history', 'add', recordedRun([day(n)]), ...inFolder(folder)]).on(
              'close',
              done,
            ),
          ),
      ),
    );
    expect((await listed(folder)).series[0]!.entries).toBe(3);
  });
});

describe('prune', () => {
  test('keeps the newest, and entries with a mark', async () => {
    const folder = await filled(6);
    await history('accept', day(1).commit!, 'known', ...inFolder(folder));
    await history('prune', '--keep', '2', ...inFolder(folder));
    expect(written.stdout).toContain('3 removed from 1 series.');
    expect((await listed(folder)).series[0]!.entries).toBe(3);
    expect(await history('prune', ...inFolder(folder))).toBe(2);
  });
});

describe('compare with a history', () => {
  test('entries of a commit, unpaired; and its noise decides on speed', async () => {
    const folder = await filled(15);
    const head = recordedRun([day(16, { imagesPerSecond: 50 })]);
    written.stdout = '';
    expect(await main(['compare', `${folder}@latest`, head, '--history', folder, '--json'])).toBe(0);
    const [{ rows }] = (
      JSON.parse(written.stdout) as {
        comparisons: [
          { rows: { measure: { key: string }; unconfirmed: string; comparison: { test: string } }[] },
        ];
      }
    ).comparisons;
    const of = (key: string) => rows.find(({ measure }) => measure.key === key)!;
    expect(of('source/test/top1').comparison.test).toBe('two proportions, not paired');
    expect(of('source/imagesPerSecond')).toMatchObject({
      unconfirmed: 'worse',
      comparison: { test: 'noise of the series' },
    });
    expect(await main(['compare', `${folder}@abcd`, head])).toBe(2);
    expect(written.stderr).toContain('no entry of this commit');
  });
});

describe('formats', () => {
  async function exported(format: string): Promise<(name: string) => Buffer> {
    const out = temporaryFolder();
    const folder = await filled(3);
    expect(await history('export', '--format', format, '--out', out, ...inFolder(folder))).toBe(0);
    return (name) => readFileSync(join(out, name));
  }
  const json = (text: Buffer) =>
    JSON.parse(text.toString()) as Record<string, Record<string, { value: number }>>;

  test('BMF: the newest values by benchmark and measure, and back', async () => {
    const file = await exported('bmf');
    const found = json(file('bmf.json'));
    expect(Object.values(found)[0]!['source/test/top1']!.value).toBe(75);
    const folder = join(temporaryFolder(), 'history');
    const path = join(temporaryFolder(), 'bmf.json');
    writeFileSync(path, file('bmf.json'));
    expect(await history('import', path, '--format', 'bmf', '--testbed', 'CI 1', ...inFolder(folder))).toBe(
      0,
    );
    expect((await listed(folder)).series[0]!.entries).toBe(1);
    expect(readdirSync(folder)).toContain('CI-1');
  });

  test('github-action-benchmark: two files, one for each direction', async () => {
    const file = await exported('github-action-benchmark');
    const list = (name: string) =>
      JSON.parse(file(name).toString()) as { name: string; unit: string; value: number }[];
    expect(list('customBiggerIsBetter.json')).toContainEqual(
      expect.objectContaining({ name: expect.stringContaining('source top-1'), unit: '%', value: 75 }),
    );
    expect(list('customSmallerIsBetter.json')).toContainEqual(
      expect.objectContaining({ name: expect.stringContaining('trainable parameters'), value: 19_300 }),
    );
  });

  test('asv: what we write is read again; what asv wrote is read', async () => {
    const file = await exported('asv');
    expect(json(file('benchmarks.json'))['version']).toBe(2);
    const folder = join(temporaryFolder(), 'history');
    expect(await history('import', fixture('asv-results'), '--format', 'asv', ...inFolder(folder))).toBe(0);
    // Two commits of five combinations, one of which failed once.
    expect(written.stdout).toContain('9 results added to 5 series');
    expect((await listed(folder)).series.map(({ entries }) => entries).sort()).toEqual([1, 2, 2, 2, 2]);
  });

  test('CSV and Parquet: every value of every entry', async () => {
    const text = (await exported('csv'))('history.csv').toString().trimEnd().split('\n');
    expect(text[0]).toMatch(/^testbed,series,measure,/);
    const bytes = (await exported('parquet'))('history.parquet');
    const rows = await parquetReadObjects({ file: new Uint8Array(bytes).buffer });
    expect(rows).toHaveLength(text.length - 1);
    expect(rows).toContainEqual(
      expect.objectContaining({ measure: 'source/test/top1', value: 75, gating: true }),
    );
  });

  test('files that are something else', async () => {
    const folder = temporaryFolder();
    const path = join(folder, 'x.json');
    writeFileSync(path, '[1]');
    expect(await history('import', path, '--format', 'bmf', ...inFolder(folder))).toBe(2);
    expect(written.stderr).toContain('not in Bencher’s format');
    mkdirSync(join(folder, 'empty'));
    expect(await history('import', join(folder, 'empty'), '--format', 'asv', ...inFolder(folder))).toBe(2);
    expect(written.stderr).toContain('no results of asv here');
  });
});
