import type { CellRecord, DoneRecord, FailedRecord } from '@kora-bench/bench';
import { recordSchema, runPage } from '@kora-bench/bench';
import type { MethodDefinition } from '@kora-bench/core';
import koraChain from '@kora-bench/method-kora-chain';
import linearProbe from '@kora-bench/method-linear-probe';
import { beforeAll, describe, expect, test } from 'vitest';
import { memoryDataset } from './memory-split.js';
import { runTinyCell } from './tiny-cell.js';

const hostile = `<img src="https://evil.example/x.png" onerror='alert(1)'>&amp;`;

let probe: DoneRecord;
let chain: DoneRecord;
let failed: FailedRecord;
let page: string;

beforeAll(async () => {
  probe = await runTinyCell({
    method: linearProbe as MethodDefinition,
    label: hostile,
    target: memoryDataset({ train: 32, val: 12, classes: 4 }, { dataset: 'target' }),
    depth: memoryDataset({ train: 10, val: 6, classes: 1 }, { dataset: 'depth', task: 'depth' }),
    config: { description: hostile, protocols: ['stratified', 'as-published'] },
  });
  chain = await runTinyCell({ method: koraChain as MethodDefinition, label: 'chain d4' });
  failed = recordSchema.parse({
    schemaVersion: 1,
    status: 'failed',
    cell: { ...chain.cell, id: 'broken' },
    startedAt: chain.startedAt,
    finishedAt: chain.finishedAt,
    config: chain.config,
    error: {
      code: 'TRAINING',
      message: `The loss is NaN <script>alert(2)</script>`,
      where: 'source',
      expected: 'a finite loss',
      received: 'NaN',
      fix: 'Lower the learning rate.',
    },
  }) as FailedRecord;
  page = runPage(hostile, [probe, chain, failed]);
});

/** Every start tag of the page, as it would be parsed. */
const tags = (html: string) => [...html.matchAll(/<([a-z][a-z0-9]*)\b([^>]*)>/gi)];

describe('the page of a run', () => {
  test('has a row for each cell in every table that it belongs to', () => {
    const tables = [...page.matchAll(/<caption>(.*?)<\/caption>[\s\S]*?<tbody>([\s\S]*?)<\/tbody>/g)];
    const rows = Object.fromEntries(
      tables.map(([, caption, body]) => [caption, body!.match(/<tr>/g)!.length]),
    );
    expect(rows).toMatchObject({
      'Failed cells': 1,
      'Scores on true labels, one row per cell': 2,
      'Transfer: a new head on the frozen, source-trained model': 2,
      Depth: 1,
    });
    expect(page).toContain((100 * probe.source.result.top1).toFixed(1));
    expect(page).toContain(probe.depth!.result.rmse.toFixed(4));
  });

  test('strikes out the published kind of accuracy and says how many labels it has', () => {
    const { protocolLabels } = probe.transfer[1]!;
    expect(page).toContain(`<s>${(100 * protocolLabels!.top1).toFixed(1)}</s>`);
    expect(page).toContain(`${protocolLabels!.distinctLabels} labels`);
  });

  test('draws Pareto plots, training curves and one heat map per cell as SVG', () => {
    const charts = page.match(/<svg\b[\s\S]*?<\/svg>/g)!;
    expect(charts).toHaveLength(2 + 2 + 2);
    for (const chart of charts) {
      expect(chart).toMatch(/<(path|rect|text)\b/);
      expect(chart).not.toContain('NaN');
    }
  });

  test('takes the transfer plot from the stratified protocol alone', () => {
    expect(page).toContain('Transfer, stratified');
    const published = { ...probe, transfer: [probe.transfer[1]!] };
    expect(runPage('as published', [published])).not.toContain('Transfer, stratified');
  });

  test('shows every finding of every cell', () => {
    for (const { code } of [...probe.findings, ...chain.findings])
      expect(page).toContain(`<code>${code}</code>`);
  });

  test('tells what failed and how to fix it', () => {
    expect(page).toContain('TRAINING: The loss is NaN');
    expect(page).toContain('Lower the learning rate.');
  });

  test('takes names and messages as text, in tables and in charts', () => {
    const names = new Set(tags(page).map(([, name]) => name!.toLowerCase()));
    expect(names).not.toContain('script');
    expect(names).not.toContain('img');
    for (const [tag] of tags(page)) expect(tag).not.toMatch(/\son\w+\s*=/i);
    expect(page).toContain('&#60;script&#62;');
  });

  test('loads nothing from anywhere', () => {
    for (const [tag, name] of tags(page)) {
      expect(['link', 'iframe', 'object', 'embed', 'base', 'image', 'use']).not.toContain(name);
      expect(tag).not.toMatch(/\s(src|href|xlink:href|action|data)\s*=/i);
    }
    expect(page).not.toMatch(/@import|url\(\s*['"]?(?!#)/i);
  });
});

test('a run of nothing but failures, and a run of nothing, are pages too', () => {
  const records: CellRecord[] = [failed];
  expect(runPage('failures', records)).toContain('Failed cells');
  expect(runPage('nothing', [])).toMatch(/<\/html>\s*$/);
});

test('values that are not defined are shown as such', () => {
  const { cka, source } = probe;
  const nulls = cka.debiased.map((row) => row.map(() => null));
  const record = {
    ...probe,
    cka: { ...cka, debiased: nulls },
    source: { ...source, result: { ...source.result, top5: null } },
  };
  const html = runPage('undefined values', [record]);
  expect(html).toContain('n/a');
  expect(html).not.toContain('NaN');
});
