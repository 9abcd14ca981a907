import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { main } from '@kora-bench/bench/cli';
import type { SeriesPart } from '@kora-bench/dashboard';
import { describe, expect, test } from 'vitest';
import { serveSite } from '../src/dashboard/serve-site.js';
import { captureOutput } from './captured-output.js';
import { temporaryFolder } from './fake-run.js';
import { images, recordedRun } from './recorded-run.js';

const output = captureOutput();

const day = (n: number) => `2026-01-${String(n).padStart(2, '0')}T00:00:00.000Z`;
const commit = (letter: string) => letter.repeat(40);

/** A history of nightly runs, of which the last one gets `lost` images of 1000 wrong that were right before. */
async function historyOf(nights: number, lost: number) {
  const history = join(temporaryFolder(), 'history');
  const runs: string[] = [];
  for (let night = 0; night < nights; night++) {
    const wrong = night === nights - 1 ? 300 + lost : 300;
    const cell = { correct: images(1000, (i) => i < wrong), startedAt: day(night + 1) };
    const run = recordedRun(
      ['lora', '<b>bold'].map((label) => ({
        ...cell,
        label,
        commit: commit('0123456789abcdef'[night]!),
      })),
    );
    runs.push(run);
    expect(await main(['history', 'add', run, '--history', history])).toBe(0);
  }
  return { history, runs, last: runs.at(-1)! };
}

async function siteOf(...sources: readonly string[]): Promise<string> {
  const out = join(temporaryFolder(), 'site');
  expect(await main(['dashboard', ...sources, '--out', out])).toBe(0);
  return out;
}

const read = (site: string, path: string) => readFileSync(join(site, path), 'utf8');

describe('what changed', () => {
  test('a drop is said in words, with its test, and leads to its series', async () => {
    const { history, last, runs } = await historyOf(4, 40);
    const alone = read(await siteOf(history), 'index.html');
    // A history has no scores of single images: 4 points of 1000 images could be chance.
    expect(alone).toContain('Nothing has changed that can be told from chance.');
    const page = read(await siteOf(history, last, runs.at(-2)!), 'index.html');
    expect(page).toContain('4 results got worse.');
    expect(page).toMatch(
      /<strong>lora<\/strong>: <a href="series\.html#plot=[^"]+">source top-1<\/a> fell from 70\.0 % to 66\.0 %\./,
    );
    expect(page).toContain('McNemar, exact');
    expect(page).toContain('from 2222222222 (3 Jan 2026) to 3333333333 (4 Jan 2026)');
  });

  test('runs alone are a short history', async () => {
    const { runs } = await historyOf(2, 40);
    expect(read(await siteOf(...runs), 'index.html')).toContain('4 results got worse.');
    expect(read(await siteOf(runs[0]!), 'index.html')).toContain('There is nothing to compare with yet');
  });

  test('names are text everywhere', async () => {
    const { history, last } = await historyOf(2, 0);
    const site = await siteOf(history, last);
    const pages = readdirSync(site, { recursive: true })
      .map(String)
      .filter((name) => name.endsWith('.html'));
    expect(pages).toHaveLength(8);
    for (const page of pages) expect(read(site, page)).not.toContain('<b>bold');
  });
});

test('a series has its values, levels, versions and shifts', async () => {
  const { history } = await historyOf(8, 300);
  const site = await siteOf(history);
  const parts = readdirSync(join(site, 'data/series'));
  expect(parts).toHaveLength(2);
  const given: [string, SeriesPart][] = [];
  for (const part of parts) {
    const run = new Function('koraBenchPart', read(site, `data/series/${part}`));
    run((name: string, value: SeriesPart) => given.push([name, value]));
  }
  const [name, part] = given[0]!;
  expect(parts).toContain(`${name}.js`);
  const line = part.lines[`${name}.source/test/top1.0`]!;
  expect(line.values).toEqual([0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.4]);
  expect(part.entries[line.at[7]!]).toMatchObject({ date: day(8), commit: commit('7'), dirty: false });
  // One value is no level yet.
  expect(line.segments).toEqual([[0, 8, 0.7]]);
  expect(line.outliers).toEqual([7]);
  const index = JSON.parse(
    /<script type="application\/json">(.*?)<\/script>/.exec(read(site, 'series.html'))![1]!,
  );
  expect(index.series).toHaveLength(2);
});

test('the page of a cell has its classes and predictions, and says what is not there', async () => {
  const run = recordedRun([
    { label: 'lora', correct: images(40, (i) => i % 4 === 2) },
    { label: 'full', correct: images(40), withoutScores: true },
  ]);
  const site = await siteOf(run);
  const folder = readdirSync(join(site, 'runs')).find((name) => !name.endsWith('.html'))!;
  const page = read(site, `runs/${folder}/lora-s0.html`);
  expect(page).toMatch(
    /<td>genus00-species2<\/td><td class="number">10<\/td><td class="number">0\.0<\/td><td>genus00-species1/,
  );
  expect(page).toContain('✗ genus00-species1');
  expect(page).toContain('Images of data that do not come with the suite are not shown.');
  expect(read(site, `runs/${folder}/full-s0.html`)).toContain('The scores of single images are not there');
});

describe('bad input', () => {
  test.each([
    ['a folder that is neither', () => [temporaryFolder()], 'This is neither a run nor a history.'],
    ['no such folder', () => ['/nowhere/at/all'], 'no such folder'],
  ])('%s', async (_, sources, message) => {
    expect(await main(['dashboard', ...sources(), '--out', join(temporaryFolder(), 'x')])).toBe(2);
    expect(output.stderr).toContain(message);
  });

  test('two histories', async () => {
    const [a, b] = [await historyOf(1, 0), await historyOf(1, 0)];
    expect(await main(['dashboard', a.history, b.history, '--out', temporaryFolder()])).toBe(2);
    expect(output.stderr).toContain('There are several histories.');
  });

  test('a folder with something else in it is left alone', async () => {
    const { history } = await historyOf(1, 0);
    const out = temporaryFolder();
    writeFileSync(join(out, 'thesis.tex'), 'years of work');
    expect(await main(['dashboard', history, '--out', out])).toBe(2);
    expect(output.stderr).toContain('The folder has something else in it.');
    expect(readdirSync(out)).toEqual(['thesis.tex']);
  });

  test('an empty history is a site that says how to begin', async () => {
    const history = temporaryFolder();
    writeFileSync(join(history, '.gitattributes'), '*.jsonl merge=union\n');
    const site = await siteOf(history);
    expect(read(site, 'index.html')).toContain('The history is empty.');
    expect(read(site, 'series.html')).toContain('The history is empty.');
    expect(read(site, 'methods.html')).toContain('There are no finished results to compare yet.');
  });

  test('a damaged line is reported, and the rest is shown', async () => {
    const { history } = await historyOf(2, 0);
    const testbed = readdirSync(history).find((name) => !name.startsWith('.'))!;
    const [file] = readdirSync(join(history, testbed));
    appendFileSync(join(history, testbed, file!), '{"historyVersion":1,"kind":"entr');
    const site = await siteOf(history);
    expect(read(site, 'index.html')).toContain('The line is not JSON; it may be cut off.');
    expect(output.stderr).toContain('Left out: ');
    expect(readdirSync(join(site, 'data/series'))).toHaveLength(2);
  });

  test('a record of another version is reported; a run of nothing else is an error', async () => {
    const run = recordedRun([
      { label: 'lora', correct: images(40) },
      { label: 'full', correct: images(40) },
    ]);
    const old = (name: string) => {
      const path = join(run, 'records', name);
      const record = JSON.parse(readFileSync(path, 'utf8')) as object;
      writeFileSync(path, JSON.stringify({ ...record, schemaVersion: 1 }));
    };
    old('lora-s0.json');
    expect(read(await siteOf(run), 'runs.html')).toContain('The record was written by an older version');
    old('full-s0.json');
    expect(await main(['dashboard', run, '--out', join(temporaryFolder(), 'x')])).toBe(2);
    expect(output.stderr).toContain('The record was written by an older version of this suite.');
  });
});

test('a site is replaced by the next one, and what it has no more is removed', async () => {
  const { history, last } = await historyOf(2, 0);
  const out = await siteOf(history, last);
  const pages = readdirSync(join(out, 'runs'));
  expect(pages.length).toBeGreaterThan(0);
  mkdirSync(join(out, 'mine'));
  writeFileSync(join(out, 'mine', 'CNAME'), 'bench.example');
  expect(await main(['dashboard', history, '--out', out])).toBe(0);
  for (const page of pages.filter((name) => name.endsWith('.html')))
    expect(existsSync(join(out, 'runs', page))).toBe(false);
  expect(existsSync(join(out, 'mine', 'CNAME'))).toBe(true);
});

describe('bench serve', () => {
  test('serves the pages, tells of a new record, and answers nobody else', async () => {
    const run = recordedRun([
      { label: 'lora', correct: images(40) },
      { label: 'full', correct: images(40) },
    ]);
    const record = readFileSync(join(run, 'records', 'full-s0.json'), 'utf8');
    rmSync(join(run, 'records', 'full-s0.json'));
    const served = await serveSite([{ kind: 'run', path: run }], 0);
    try {
      const page = async (path: string, headers = {}) => fetch(new URL(path, served.url), { headers });
      const id = /href="(runs\/[^"]+)\.html"/.exec(await (await page('runs.html')).text())![1]!;
      expect(await (await page(`${id}.html`)).text()).toContain('1 of 2 cells is there; nothing is running.');
      expect((await page('../../etc/passwd')).status).toBe(404);
      const status = new Promise<number | undefined>((resolve, reject) => {
        get(new URL('index.html', served.url), { headers: { host: 'evil.example' } }, (response) => {
          response.resume();
          resolve(response.statusCode);
        }).on('error', reject);
      });
      expect(await status).toBe(403);

      const events = (await page('events')).body!.getReader();
      const decoder = new TextDecoder();
      expect(decoder.decode((await events.read()).value)).toBe(': here\n\n');
      writeFileSync(join(run, 'records', 'full-s0.json'), record);
      expect(decoder.decode((await events.read()).value)).toContain('event: changed');
      expect(await (await page(`${id}.html`)).text()).not.toContain('1 of 2 cells');
      await events.cancel();
    } finally {
      await served.close();
    }
  });

  test('a port that is taken is said', async () => {
    const run = recordedRun([{ label: 'lora', correct: images(40) }]);
    const served = await serveSite([{ kind: 'run', path: run }], 0);
    try {
      expect(await main(['serve', run, '--port', new URL(served.url).port])).toBe(2);
      expect(output.stderr).toContain('which another program has');
    } finally {
      await served.close();
    }
    expect(await main(['serve', run, '--port', '70000'])).toBe(2);
    expect(output.stderr).toContain('Expected a number from 0 to 65535.');
  });
});
