import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { main } from '@kora-bench/bench/cli';
import { describe, expect, test } from 'vitest';
import { captureOutput } from './captured-output.js';
import { temporaryFolder } from './fake-run.js';
import { images, recordedRun } from './recorded-run.js';

const written = captureOutput();

interface Row {
  readonly measure: { readonly key: string };
  readonly verdict: string;
  readonly unconfirmed: string | null;
  readonly note: string | null;
  readonly adjustedP: number | null;
  readonly comparison: { readonly test: string };
}
interface Compared {
  readonly rows: readonly Row[];
  readonly cells: readonly { readonly likeness: string | null }[];
  readonly unmatched: readonly { readonly side: string; readonly reason: string }[];
  readonly refused: readonly { readonly what: string; readonly reason: string }[];
  readonly problems: readonly string[];
}

async function compared(...args: readonly string[]): Promise<{ code: number; result: Compared }> {
  const code = await main(['compare', ...args, '--json']);
  return { code, result: (JSON.parse(written.stdout) as { comparisons: [Compared] }).comparisons[0] };
}
const rowOf = ({ rows }: Compared, key: string) => rows.find(({ measure }) => measure.key === key)!;

const base = images(10_000, (i) => i % 5 === 0);
const worse = images(10_000, (i) => i % 5 === 0 || i % 90 === 1);

describe('verdicts', () => {
  test('the same numbers are identical bit by bit, and pass', async () => {
    const { code, result } = await compared(
      recordedRun([{ correct: base }]),
      recordedRun([{ correct: base }]),
    );
    expect(code).toBe(0);
    expect(result.cells).toMatchObject([{ likeness: 'identical' }]);
    expect(rowOf(result, 'source/test/top1')).toMatchObject({
      verdict: 'same',
      note: 'Identical, bit by bit.',
    });
  });

  test('a point of accuracy lost on 10,000 images is worse, by McNemar, and exits with 1', async () => {
    const { code, result } = await compared(
      recordedRun([{ correct: base }]),
      recordedRun([{ correct: worse }]),
    );
    expect(code).toBe(1);
    const row = rowOf(result, 'source/test/top1');
    expect(row.verdict).toBe('worse');
    expect(row.comparison.test).toBe('McNemar, exact');
    expect(row.adjustedP).toBeLessThan(0.0001);
  });

  test('a better one exits with 0', async () => {
    const { code, result } = await compared(
      recordedRun([{ correct: worse }]),
      recordedRun([{ correct: base }]),
    );
    expect(code).toBe(0);
    expect(rowOf(result, 'source/test/top1').verdict).toBe('better');
  });

  test('one more parameter is worse without any test', async () => {
    const { code, result } = await compared(
      recordedRun([{ correct: base }]),
      recordedRun([{ correct: base, trainableParameters: 19_301 }]),
    );
    expect(code).toBe(1);
    expect(rowOf(result, 'trainableParameters')).toMatchObject({ verdict: 'worse', adjustedP: null });
  });

  test('a cell that failed in the head is worse', async () => {
    const head = recordedRun([{ correct: base }]);
    const path = join(head, 'records', 'lora-s0.json');
    const { schemaVersion, cell, config, startedAt, finishedAt } = JSON.parse(
      readFileSync(path, 'utf8'),
    ) as object & {
      [field: string]: unknown;
    };
    const error = {
      code: 'TRAINING',
      message: 'NaN.',
      where: null,
      expected: null,
      received: null,
      fix: null,
    };
    const failed = { schemaVersion, status: 'failed', cell, config, startedAt, finishedAt, error };
    writeFileSync(path, JSON.stringify(failed));
    const { code, result } = await compared(recordedRun([{ correct: base }]), head);
    expect(code).toBe(1);
    expect(result.rows.map(({ measure, verdict }) => [measure.key, verdict])).toEqual([
      ['finished', 'worse'],
    ]);
  });

  test('speed of one run each says nothing and never fails', async () => {
    const { code, result } = await compared(
      recordedRun([{ correct: base }]),
      recordedRun([{ correct: base, imagesPerSecond: 50 }]),
    );
    expect(code).toBe(0);
    const row = rowOf(result, 'source/imagesPerSecond');
    expect(row.verdict).toBe('undecided');
    expect(row.note).toContain('1 against 1 samples cannot reach');
  });

  test('speed of six seeds each: slower, if a rerun shows it again', async () => {
    const cells = (rate: number) =>
      [0, 1, 2, 3, 4, 5].map((seed) => ({ correct: base, seed, imagesPerSecond: rate + seed / 10 }));
    const { code, result } = await compared(recordedRun(cells(100)), recordedRun(cells(90)));
    expect(code).toBe(0);
    expect(rowOf(result, 'source/imagesPerSecond')).toMatchObject({
      verdict: 'undecided',
      unconfirmed: 'worse',
    });
  });

  test('Holm: what is found among one cell is not among ten', async () => {
    const lost = images(10_000, (i) => i % 5 === 0 || i % 800 === 1);
    const others = Array.from({ length: 9 }, (_, i) => ({ label: `other ${i}`, correct: base }));
    const run = (correct: boolean[], more: typeof others) =>
      recordedRun([
        { correct },
        ...more.map((cell, i) => ({ ...cell, correct: cell.correct.with(i, false) })),
      ]);
    const alone = await compared(recordedRun([{ correct: base }]), recordedRun([{ correct: lost }]));
    written.stdout = '';
    const among = await compared(recordedRun([{ correct: base }, ...others]), run(lost, others));
    const [p, adjusted] = [alone, among].map(({ result }) => rowOf(result, 'source/test/top1').adjustedP!);
    expect(adjusted).toBeCloseTo(Math.min(1, 10 * p!), 10);
  });
});

describe('what must not be compared', () => {
  test('other data: refused with both fingerprints, and the rest is compared', async () => {
    const { code, result } = await compared(
      recordedRun([{ correct: base }]),
      recordedRun([{ correct: worse, testFingerprint: 'b'.repeat(64) }]),
    );
    expect(code).toBe(0);
    expect(rowOf(result, 'source/test/top1')).toBeUndefined();
    expect(rowOf(result, 'trainableParameters').verdict).toBe('same');
    expect(result.refused).toMatchObject([{ what: 'phase source' }]);
    expect(result.refused[0]!.reason).toMatch(/fingerprint of test is aaaaaaaaaaaaaaaa in the base and bbbb/);
  });

  test('another machine: quality is compared, speed is not', async () => {
    const { code, result } = await compared(
      recordedRun([{ correct: base }]),
      recordedRun([{ correct: worse, cpu: 'Other CPU' }]),
    );
    expect(code).toBe(1);
    expect(rowOf(result, 'source/imagesPerSecond')).toBeUndefined();
    expect(result.refused[0]!.reason).toContain('different machines');
  });

  test('another configuration has no partner, and it is said which setting differs; --ignore allows it', async () => {
    const runs = [recordedRun([{ correct: base }]), recordedRun([{ correct: base, learningRate: 0.01 }])];
    const { code, result } = await compared(...runs);
    expect(code).toBe(2);
    expect(result.unmatched).toMatchObject([
      { side: 'base', reason: 'learningRate is 0.005 here, 0.01 there' },
      { side: 'head', reason: 'learningRate is 0.01 here, 0.005 there' },
    ]);
    expect(written.stderr).toContain('nothing was compared');
    written.stdout = '';
    expect((await compared(...runs, '--ignore', 'learningRate')).code).toBe(0);
  });

  test('another seed alone', async () => {
    const { result } = await compared(
      recordedRun([{ correct: base }, { correct: base, seed: 1 }]),
      recordedRun([{ correct: base }]),
    );
    expect(result.unmatched).toEqual([
      expect.objectContaining({ side: 'base', reason: 'the other side has only seed 0' }),
    ]);
  });

  test('without scores, shares are compared unpaired, and it is said', async () => {
    const { result } = await compared(
      recordedRun([{ correct: base, withoutScores: true }]),
      recordedRun([{ correct: worse }]),
    );
    const row = rowOf(result, 'source/test/top1');
    expect(row.comparison.test).toBe('two proportions, not paired');
    expect(row.verdict).toBe('undecided');
  });
});

describe('bad input', () => {
  test('a folder that is no run', async () => {
    expect(await main(['compare', temporaryFolder(), temporaryFolder()])).toBe(2);
    expect(written.stderr).toMatch(/nothing to compare here[\s\S]*neither run\.json nor records[\s\S]*fix:/);
  });

  test('records of version 1: the rest is compared; a run of nothing else is refused', async () => {
    const run = recordedRun([{ correct: base }, { correct: base, label: 'old' }]);
    writeFileSync(join(run, 'records', 'old-s0.json'), JSON.stringify({ schemaVersion: 1 }));
    const { code, result } = await compared(run, recordedRun([{ correct: base }]));
    expect(code).toBe(0);
    expect(result.problems[0]).toMatch(/old-s0\.json: .*older version.*"schemaVersion": 1/);
    writeFileSync(join(run, 'records', 'lora-s0.json'), JSON.stringify({ schemaVersion: 1 }));
    expect(await main(['compare', run, run])).toBe(2);
    expect(written.stderr).toContain('written by an older version');
  });

  test('records of a later version', async () => {
    const run = recordedRun([{ correct: base }]);
    writeFileSync(join(run, 'records', 'lora-s0.json'), JSON.stringify({ schemaVersion: 3 }));
    expect(await main(['compare', run, run])).toBe(2);
    expect(written.stderr).toMatch(
      /written by a newer version[\s\S]*"schemaVersion": 3[\s\S]*update the suite/,
    );
  });

  test('a file of scores that is no CSV of scores', async () => {
    const run = recordedRun([{ correct: base }]);
    writeFileSync(join(run, 'scores', 'lora-s0.csv'), 'nonsense');
    expect(await main(['compare', run, recordedRun([{ correct: base }])])).toBe(2);
    expect(written.stderr).toContain('A file of scores is not valid.');
  });
});

describe('outputs', () => {
  const runs = () => [recordedRun([{ correct: base }]), recordedRun([{ correct: worse }])] as const;

  test('terminal: what changed is shown, the rest counted; --all shows it', async () => {
    await main(['compare', ...runs()]);
    expect(written.stdout).toMatch(/worse +lora +source top-1 +80\.0 % +78\.9 % +-1\.\d \[-1\.\d, -0\.\d\]/);
    expect(written.stdout).toMatch(/Not shown: .*same.*; --all shows them\./);
    expect(written.stdout).not.toContain('trainable parameters');
    written.stdout = '';
    await main(['compare', ...runs(), '--all']);
    expect(written.stdout).toContain('trainable parameters');
  });

  test('Markdown: a table, the rest folded, and nothing of a name is markup', async () => {
    const evil = '@team <img src=x> | `a`';
    const [a, b] = [
      recordedRun([{ correct: base, label: evil }]),
      recordedRun([{ correct: worse, label: evil }]),
    ];
    expect(await main(['compare', a, b, '--markdown'])).toBe(1);
    expect(written.stdout).toContain('| verdict | cell |');
    expect(written.stdout).toContain('🔴 worse');
    expect(written.stdout).toMatch(/<details><summary>3 same, 2 undecided<\/summary>/);
    expect(written.stdout).not.toContain('<img');
    expect(written.stdout).not.toContain('@team');
    const row = written.stdout.split('\n').find((line) => line.includes('🔴 worse'))!;
    expect(row.match(/(?<!\\)\|/g)).toHaveLength(9);
  });

  test('HTML: one file that loads nothing', async () => {
    const page = join(temporaryFolder(), 'comparison.html');
    await main(['compare', ...runs(), '--html', page]);
    const html = readFileSync(page, 'utf8');
    expect(html).toContain('<span class="verdict worse">worse</span>');
    expect(html).not.toMatch(/(src|href)="http/);
  });

  test('several heads are each compared with the base', async () => {
    const [a, b] = runs();
    expect(await main(['compare', a, a, b, '--json'])).toBe(1);
    const { comparisons } = JSON.parse(written.stdout) as { comparisons: { failed: boolean }[] };
    expect(comparisons.map(({ failed }) => failed)).toEqual([false, true]);
  });
});
