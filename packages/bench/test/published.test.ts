import { readFileSync } from 'node:fs';
import type { DoneRecord, RunConfigInput } from '@kora-bench/bench';
import {
  formatReport,
  loadSuite,
  recordSchema,
  resolveConfig,
  summarizeRun,
  summaryText,
} from '@kora-bench/bench';
import { expect, test } from 'vitest';
import { fixture } from './fake-run.js';

type Published = NonNullable<RunConfigInput['published']>[number];

const template = JSON.parse(readFileSync(fixture('done-record.json'), 'utf8')) as DoneRecord;

/** Of the template: one on 100 images of procedural-source, then its transfer by both protocols. */
const table: Published = {
  title: 'A table <b>of</b> theirs',
  source: 'a paper | of theirs',
  setting: {
    model: 'vit_tiny_patch16_224',
    phases: {
      source: {
        data: 'procedural-source',
        trainExamples: 100,
        testExamples: 100,
        epochs: 1,
        learningRate: 0.005,
      },
    },
    similarityExamples: 64,
  },
  columns: [
    { title: 'tuned %', measure: 'share', digits: 2 },
    {
      title: 'CKA',
      measure: { cka: [0, 1], estimate: 'biased' },
      digits: 2,
      honest: [{ title: 'debiased', measure: { cka: [0, 1], estimate: 'debiased' } }],
    },
    {
      title: 'accuracy %',
      measure: { phase: 'source', metric: 'top1' },
      digits: 2,
      explainedBy: ['NORMALIZATION_MISMATCH', 'DEAD_START'],
    },
    {
      title: 'transfer %',
      measure: { phase: 'transfer-as-published', metric: 'top1', evaluation: 'own labels' },
      digits: 2,
      honest: [
        { title: 'true labels', measure: { phase: 'transfer-as-published', metric: 'top1' } },
        { title: 'stratified', measure: { phase: 'transfer-stratified', metric: 'top1' } },
      ],
      explainedBy: ['SINGLE_CLASS_F1', 'NORMALIZATION_MISMATCH'],
    },
    {
      title: 'RMSE',
      measure: { phase: 'depth', metric: 'rmse' },
      digits: 3,
      incomparable: 'The published unit is not told.',
    },
  ],
  rows: [{ name: 'Theirs (r=8)', method: 'linear-probe', values: [0.35, 0.75, 62.5, 97.37, 0.28] }],
};

const finding = (code: string, where: string): DoneRecord['findings'][number] => ({
  code,
  severity: 'error',
  where,
  message: `What ${code} says.`,
  evidence: {},
});

function record(published: Published = table, seed = 0, top1 = 0.612): DoneRecord {
  const made = structuredClone(template);
  made.cell = { ...made.cell, id: `probe-${seed}`, seed };
  made.phases[0]!.draws[0]!.evaluations[0]!.values['top1'] = top1;
  made.findings = [
    finding('NORMALIZATION_MISMATCH', 'source'),
    finding('SINGLE_CLASS_F1', 'transfer/as-published'),
    finding('BATCH_SPLIT', 'source'),
  ];
  made.config.published = [published] as DoneRecord['config']['published'];
  return recordSchema.parse(made) as DoneRecord;
}

/** The part of the terminal's text on published results. */
function publishedPart(records: readonly DoneRecord[], width?: number): string {
  const text = summaryText(summarizeRun('runs/x', null, records), width);
  return text.slice(text.indexOf('Published:'), text.indexOf('Note:')).trimEnd();
}

test('in the published setting: published, measured, difference, the honest numbers, and what explains them', () => {
  expect(publishedPart([record()])).toMatchInlineSnapshot(`
    "Published: A table <b>of</b> theirs (a paper | of theirs)
    ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
    measure     method        published        measured  difference  debiased   true labels      stratified  see
    tuned %     linear-probe       0.35            0.34       -0.01
    CKA         linear-probe       0.75            0.80       +0.05      0.70
    accuracy %  linear-probe      62.50           61.20       -1.30                                          1
                                         [59.80, 62.60]
    transfer %  linear-probe      97.37           98.24       +0.87                    0.51           31.27  2
                                         [97.96, 98.48]                        [0.39, 0.67]  [29.91, 32.66]
    RMSE        linear-probe      0.280           0.280         n/a                                          3
    ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
      1  NORMALIZATION_MISMATCH (source): What NORMALIZATION_MISMATCH says.
      2  SINGLE_CLASS_F1 (transfer/as-published): What SINGLE_CLASS_F1 says.
      3  The published unit is not told."
  `);
});

test('over seeds the measured number is the mean with its interval, and its distance is the difference', () => {
  const seeds = [0.6, 0.62, 0.64].map((top1, seed) => record(table, seed, top1));
  expect(publishedPart(seeds)).toMatch(/accuracy % +linear-probe +62\.50 +62\.00 ± 2\.00 +-0\.50/);
  expect(publishedPart(seeds)).toContain('[56.92, 66.83]');
});

test('in another setting the tables say which, and subtract nothing', () => {
  const other = {
    ...table,
    setting: {
      ...table.setting,
      model: 'vit_base_patch16_224',
      phases: {
        source: {
          data: 'procedural-source',
          trainExamples: 50_000,
          testExamples: 100,
          epochs: 5,
          learningRate: 0.0001,
        },
        depth: { data: 'nyu-depth-v2', testExamples: 654 },
      },
    },
  };
  const text = publishedPart([record(other)]);
  expect(text).toContain(
    'The published numbers are of another setting, so no differences are shown: ' +
      'model: vit_base_patch16_224, here vit_tiny_patch16_224; training images of source: 50,000, here 100; ' +
      'epochs of source: 5, here 1; learning rate of source: 0.0001, here 0.005; data of depth: nyu-depth-v2, here procedural-depth.',
  );
  expect(text).not.toContain('difference ');
  expect(text).toMatch(/accuracy % +linear-probe +62\.50 +61\.20/);
});

test('a method whose cells all failed has its published numbers alone', () => {
  const rows = [...table.rows, { name: 'Failed', method: 'gone', values: [1.45, 0.73, 92.48, 71.04, 0.28] }];
  expect(publishedPart([record({ ...table, rows })])).toMatch(/accuracy % +gone +92\.48 +n\/a +n\/a/);
});

test('the page and Markdown have the same tables, and take every text as text', () => {
  const page = formatReport('html', 'x', [record()]);
  const section = page.slice(
    page.indexOf('<h2 id="published-results">'),
    page.indexOf('<h2 id="how-to-read'),
  );
  expect(section).toContain('A table &#60;b&#62;of&#60;/b&#62; theirs');
  expect(section.match(/<tbody>[\s\S]*<\/tbody>/)![0].match(/<tr>/g)).toHaveLength(5);
  expect(section).toContain('<s>98.24</s>');
  expect(section).toContain('<li>SINGLE_CLASS_F1 (transfer/as-published): What SINGLE_CLASS_F1 says.</li>');
  const markdown = formatReport('md', 'x', [record()]);
  expect(markdown).toContain('Published in a paper \\| of theirs.');
  expect(markdown).toMatch(
    /\| accuracy % \| Theirs \(r=8\) \| linear-probe \| 62\.50 \| 61\.20 .*\| -1\.30 \| {2}\| {2}\| {2}\| 1 \|/,
  );
  const without = [{ ...record(), config: { ...record().config, published: [] } }];
  expect(formatReport('html', 'x', without)).not.toContain('Published results');
  expect(formatReport('md', 'x', without)).not.toContain('Published');
});

test.each([false, true])(
  'the suites that bring published results can be resolved; --quick: %j',
  async (quick) => {
    for (const name of ['published', 'published-small']) {
      const { config } = await loadSuite(name, quick);
      const resolved = await resolveConfig(config);
      expect(resolved.config.published).toHaveLength(4);
      expect(resolved.config.analyses).toContainEqual({
        name: 'cka',
        options: { phase: 'source', examples: 32 },
      });
    }
  },
);

test('published holds every row of the published tables, and its F1 of transfer follow from the accuracies', async () => {
  const { config } = await loadSuite('published');
  const shape = config.published.map(({ rows, columns }) => [rows.length, columns.length]);
  expect(shape).toEqual([
    [4, 4],
    [4, 2],
    [2, 3],
    [3, 2],
  ]);
  for (const { values } of config.published[1]!.rows) {
    const [accuracy, f1] = values as [number, number];
    expect((2 * accuracy) / (100 + accuracy)).toBeCloseTo(f1, 4);
  }
});
