import { readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { RunComparison } from '@kora-bench/bench';
import { compareRuns, confirmWorse, quietView, readSide } from '@kora-bench/bench';
import { expect, test } from 'vitest';
import { fixture, temporaryFolder } from './fake-run.js';
import type { RecordedCell } from './recorded-run.js';
import { images, recordedRun } from './recorded-run.js';

const correct = images(100);
const commit = 'c'.repeat(40);

/** The rerun is a fake cell: it has the 19,300 trainable parameters of its template, whatever the head had. */
async function confirm(
  base: Partial<RecordedCell>,
  head: Partial<RecordedCell>,
  code = { commit, dirty: false },
) {
  const cell = { label: 'done', correct };
  const headDir = recordedRun([{ ...cell, ...head }], join(temporaryFolder(), 'head'));
  const [before, after] = [await readSide(recordedRun([{ ...cell, ...base }])), await readSide(headDir)];
  const comparison = await compareRuns(before, after);
  const result = await confirmWorse({
    base: before,
    head: after,
    comparison,
    options: {},
    ignored: new Set(),
    context: { dataDir: temporaryFolder(), cacheDir: temporaryFolder() },
    view: quietView(() => undefined),
    entry: fixture('fake-cell.mjs'),
    code,
  });
  const reruns = readdirSync(dirname(headDir)).filter((name) =>
    name.startsWith(`${basename(headDir)}-rerun-`),
  );
  return { ...result, reruns };
}
const parameters = ({ rows }: RunComparison) =>
  rows.find(({ measure }) => measure.key === 'trainableParameters')!;

test('what is worse again stays worse, and the rerun has a folder of its own', async () => {
  const { comparison, message, reruns } = await confirm({ trainableParameters: 19_000 }, {});
  expect(parameters(comparison)).toMatchObject({ verdict: 'worse', note: 'A rerun shows it again.' });
  expect(comparison.failed).toBe(true);
  expect(message).toContain('Run again for confirmation: 1 cell');
  expect(reruns).toHaveLength(1);
});

test('what is not worse again is undecided and fails nothing', async () => {
  const { comparison } = await confirm({}, { trainableParameters: 20_000 });
  expect(parameters(comparison)).toMatchObject({
    verdict: 'undecided',
    note: 'A rerun did not show it again.',
  });
  expect(comparison.failed).toBe(false);
});

test('nothing is run again where nothing is worse', async () => {
  expect(await confirm({}, {})).toMatchObject({ message: null, reruns: [] });
});

test.each([
  [
    'another commit',
    { commit: 'd'.repeat(40), dirty: false },
    /made by commit cccccccccc, and this is dddddddddd/,
  ],
  ['changes that are not committed', { commit, dirty: true }, /not committed/],
])('code that is not the head’s: %s; the verdict stands', async (_what, code, said) => {
  const { comparison, message, reruns } = await confirm({}, { trainableParameters: 20_000 }, code);
  expect(message).toMatch(said);
  expect(reruns).toEqual([]);
  expect(parameters(comparison).verdict).toBe('worse');
});
