import { readFileSync } from 'node:fs';
import { type DoneRecord, quietView } from '@kora-bench/bench';
import { expect, test } from 'vitest';
import { fixture } from './fake-run.js';

const record = JSON.parse(readFileSync(fixture('done-record.json'), 'utf8')) as DoneRecord;

test('a log gets a line when a cell starts and ends, and at most one each ten seconds between', () => {
  let time = 0;
  const lines: string[] = [];
  const view = quietView((line) => lines.push(line), { now: () => time });
  view.cellStarted({ cell: record.cell, number: 1, of: 2 });
  view.progress({ kind: 'phase', phase: 'source', totalSteps: 100 });
  for (let step = 0; step <= 100; step++) {
    time = step * 250;
    view.progress({ kind: 'step', phase: 'source', step, totalSteps: 100, loss: 2.5, imagesPerSecond: 128 });
  }
  view.cellEnded(record);
  const others = 'transfer-stratified top-1 31.3 %, transfer-as-published top-1 0.5 %, depth RMSE 0.280 m';
  const title = '[1/2] linear-probe on onnxruntime:cpu, seed 0: ';
  expect(lines).toEqual([
    `${title}starting`,
    `${title}source: step 40/100, loss 2.500, 128 images/s, 15 s left`,
    `${title}source: step 80/100, loss 2.500, 128 images/s, 5 s left`,
    `${title}done in 1 min 22 s, source top-1 61.2 %, ${others}`,
  ]);
});

test('lines tell what is left of the whole run, where that is known', () => {
  let time = 0;
  const lines: string[] = [];
  const view = quietView((line) => lines.push(line), { now: () => time });
  view.cellStarted({ cell: record.cell, number: 1, of: 2, secondsLeft: () => 600 - time / 1000 });
  time = 20_000;
  view.progress({ kind: 'step', phase: 'source', step: 1, totalSteps: 9, loss: null, imagesPerSecond: 0 });
  expect(lines).toEqual([
    expect.stringMatching(/: starting; run: 10 min 00 s left$/),
    expect.stringMatching(/: source: step 1\/9; run: 9 min 40 s left$/),
  ]);
});
