import type { CellRecord, DoneRecord, FailedRecord } from '@kora-bench/bench';
import { ckaResultSchema, recordSchema, runPage } from '@kora-bench/bench';
import type { MethodDefinition } from '@kora-bench/core/peft';
import type { Chart, CurvesChart } from '@kora-bench/dashboard';
import koraChain from '@kora-bench/method-kora-chain';
import linearProbe from '@kora-bench/method-linear-probe';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  depthPhase,
  evaluationOf,
  metricOf,
  phaseOf,
  runTinyCell,
  sourcePhase,
  trainingOf,
  transferPhase,
} from './tiny-cell.js';

const hostile = `<img src="https://evil.example/x.png" onerror='alert(1)'>&amp;`;

let probe: DoneRecord;
let chain: DoneRecord;
let failed: FailedRecord;
let page: string;

beforeAll(async () => {
  probe = await runTinyCell({
    method: linearProbe as MethodDefinition,
    label: hostile,
    phases: [
      sourcePhase(),
      transferPhase(),
      transferPhase({ name: 'as-published', protocol: 'as-published' }),
      depthPhase(),
    ],
    config: { description: hostile },
  });
  chain = await runTinyCell({ method: koraChain as MethodDefinition, label: 'chain d4' });
  chain = { ...chain, cell: { ...chain.cell, id: 'chain' } };
  failed = recordSchema.parse({
    schemaVersion: 2,
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
  page = pageOf(hostile, [probe, chain, failed]);
});

/** The main part of the page: what is not the script and the styles of every page. */
function pageOf(...args: Parameters<typeof runPage>): string {
  return /<main[^>]*>([\s\S]*)<\/main>/.exec(runPage(...args))![1]!;
}

/** The page without the charts, whose numbers are tables of their own. */
const withoutCharts = (html: string) => html.replace(/<figure[\s\S]*?<\/figure>/g, '');

const kindsOfCharts = (html: string) =>
  [...html.matchAll(/<figure class="chart card" id="[^"]+" data-kind="(\w+)">/g)].map(([, kind]) => kind);

/** What the charts are drawn from. */
const chartsOf = (html: string) =>
  [...html.matchAll(/<script type="application\/json">(.*?)<\/script>/g)].map(
    ([, json]) => JSON.parse(json!) as Chart,
  );

/** Rows of every table, by what its caption says before a colon. */
function rowCounts(html: string): Readonly<Record<string, number>> {
  const tables = [
    ...withoutCharts(html).matchAll(/<caption>(.*?)<\/caption>[\s\S]*?<tbody>([\s\S]*?)<\/tbody>/g),
  ];
  return Object.fromEntries(
    tables.map(([, caption, body]) => [caption!.split(':')[0], body!.match(/<tr>/g)!.length]),
  );
}

/** Every start tag of the page, as it would be parsed. */
const tags = (html: string) => [...html.matchAll(/<([a-z][a-z0-9]*)\b([^>]*)>/gi)];

describe('the page of a run', () => {
  test('has one table for each phase with a row for each method, and the single cells to open', () => {
    const rows = rowCounts(page);
    expect(rows).toMatchObject({
      'Failed cells': 1,
      Cells: 2,
      source: 2,
      transfer: 1,
      'as-published': 1,
      depth: 1,
      'source, by cell': 2,
      'transfer, by cell': 1,
      // Two evaluations of one cell.
      'as-published, by cell': 2,
      'depth, by cell': 1,
      'Parameters, speed and memory': 2,
    });
    const folded = [...page.matchAll(/<details><summary>(.*?)<\/summary>/g)].map(([, summary]) => summary);
    expect(folded).toEqual(expect.arrayContaining(['Single cells of source', 'Single cells of depth']));
    expect(page).toContain((100 * metricOf(probe, 'top1')).toFixed(1));
    expect(page).toContain(metricOf(probe, 'rmse', 'depth').toFixed(3));
  });

  test('tells the speed of the steps apart from the pass that computed kept features', () => {
    const [, head, body] = page.match(
      /<caption>Parameters, speed and memory<\/caption>[\s\S]*?<thead>(.*)<\/thead>[\s\S]*?<tbody>([\s\S]*?)<\/tbody>/,
    )!;
    const titles = [...head!.matchAll(/>([^<]+)<\/th>/g)].map(([, title]) => title);
    expect(titles.slice(2, 4)).toEqual(['images/s', 'features images/s']);
    const shown = (value: number) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));
    const { cache, imagesPerSecond } = trainingOf(probe);
    const row = body!.match(/<tr>.*?<\/tr>/)![0];
    expect(row).toContain(`>${shown(imagesPerSecond)}</td>`);
    expect(row).toContain(`>${shown(cache!.pass.imagesPerSecond)}</td>`);
    const whole = structuredClone(probe);
    trainingOf(whole).cache = null;
    expect(pageOf('mixed', [whole, chain])).toContain('<td class="number">n/a</td>');
    expect(pageOf('nothing kept', [whole])).not.toMatch(
      /Parameters, speed[\s\S]*?<th[^>]*>features images\/s[\s\S]*?Single cells/,
    );
  });

  test('strikes out the published kind of accuracy and says how many labels it has', () => {
    const { details } = evaluationOf(probe, 'as-published', 'own labels');
    const top1 = metricOf(probe, 'top1', 'as-published', 'own labels');
    expect(page).toContain(`<s>${(100 * top1).toFixed(1)}</s>`);
    expect(page).toContain(`own labels, ${details['distinctLabels']} in all: not what it seems`);
  });

  test('has intervals, Pareto plots, training curves and a heat map for each method, with their numbers', () => {
    const kinds = kindsOfCharts(page);
    const count = (kind: string) => kinds.filter((one) => one === kind).length;
    expect([count('intervals'), count('pareto'), count('curves'), count('heatmap')]).toEqual([4, 4, 4, 2]);
    for (const chart of page.match(/<figure[\s\S]*?<\/figure>/g)!) {
      expect(chart).toMatch(/<summary>Numbers<\/summary>[\s\S]*<td/);
      expect(chart).not.toContain('NaN');
    }
    expect(chartsOf(page).map(({ kind }) => kind)).toEqual(kinds);
    const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('says before any number what suite, data and weights say, and how many images and what chance there are', () => {
    const head = page.slice(0, page.indexOf('<h2'));
    expect(head).toContain('pictures in memory &#60;memory&#62;');
    expect(head).toContain('&#60;img src=');
    const { chance, examples } = evaluationOf(probe);
    expect(chance).toEqual({ top1: 1 / 3 });
    const { examples: training } = trainingOf(probe);
    expect(page).toContain(
      `${training} training images; scored on ${examples} test images; chance: top-1 33.3 %.`,
    );
  });

  test('shows the mean and the spread of several seeds, in curves and in heat maps', async () => {
    const second = await runTinyCell({ method: koraChain as MethodDefinition, label: 'chain d4', seed: 1 });
    const html = pageOf('two seeds', [chain, { ...second, cell: { ...second.cell, id: 'second' } }]);
    const rows = rowCounts(html);
    expect(rows).toMatchObject({
      source: 1,
      'source, by cell': 2,
      Cells: 2,
      'Parameters, speed and memory': 1,
    });
    expect(html).toMatch(/mean of 2 seeds, standard deviation up to 0\.\d\d/);
    expect(html).toContain('<summary>Standard deviation over the seeds</summary>');
    const shaded = (of: string) =>
      chartsOf(of)
        .filter((chart): chart is CurvesChart => chart.kind === 'curves')
        .some(({ curves }) => curves.some(({ points }) => points.some(([, , least, most]) => most > least)));
    expect(shaded(html)).toBe(true);
    expect(shaded(page)).toBe(false);
    expect(html).toMatch(/mean ± standard deviation over 2 seeds/);
  });

  test('never plots a score that comes with a caveat', () => {
    const published = phaseOf(probe, 'as-published');
    const [, ownLabels] = published.draws[0]!.evaluations;
    const draws = [{ ...published.draws[0]!, evaluations: [ownLabels!] }];
    const html = pageOf('own labels alone', [{ ...probe, phases: [{ ...published, draws }] }]);
    expect(kindsOfCharts(html)).toEqual(['curves', 'heatmap']);
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
    for (const [tag, name] of tags(page)) {
      expect(name!.toLowerCase()).not.toBe('img');
      if (name === 'script') expect(tag).toBe('<script type="application/json">');
    }
    for (const [tag] of tags(page)) expect(tag).not.toMatch(/\son\w+\s*=/i);
    expect(page).toContain('&#60;script&#62;');
  });

  test('loads nothing from anywhere', () => {
    const whole = runPage(hostile, [probe, chain, failed]);
    const markup = whole.replace(/<script>[\s\S]*<\/script>/, '');
    for (const [tag, name] of tags(markup)) {
      expect(['iframe', 'object', 'embed', 'base', 'image', 'use']).not.toContain(name);
      // The icon is in its link, and the link to the content stays on the page.
      if (name === 'link') expect(tag).toMatch(/href="data:/);
      else if (name === 'a') expect(tag).toMatch(/href="#/);
      else expect(tag).not.toMatch(/\s(src|href|xlink:href|action|data)\s*=/i);
    }
    expect(markup).not.toMatch(/@import|url\(\s*['"]?(?!#)/i);
  });
});

test('a run of nothing but failures, and a run of nothing, are pages too', () => {
  const records: CellRecord[] = [failed];
  expect(pageOf('failures', records)).toContain('Failed cells');
  expect(runPage('nothing', [])).toMatch(/<\/html>\s*$/);
});

test('values that are not defined are shown as such', () => {
  const cka = ckaResultSchema.parse(probe.analyses['cka']);
  const nulls = cka.debiased.map((row) => row.map(() => null));
  const record = { ...probe, analyses: { ...probe.analyses, cka: { ...cka, debiased: nulls } } };
  expect(evaluationOf(record).values['top5']).toBeNull();
  const html = pageOf('undefined values', [record]);
  expect(html).toContain('n/a');
  expect(html).not.toContain('NaN');
});
