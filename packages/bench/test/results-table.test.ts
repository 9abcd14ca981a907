import { readFileSync } from 'node:fs';
import type { DoneRecord, EvaluationRecord, PhaseRecord } from '@kora-bench/bench';
import { recordSchema, summarizeRun, summaryText } from '@kora-bench/bench';
import { expect, test } from 'vitest';
import { fixture } from './fake-run.js';

const template = recordSchema.parse(
  JSON.parse(readFileSync(fixture('done-record.json'), 'utf8')),
) as DoneRecord;

function record(label: string, seed: number, top1: number, changes: Partial<DoneRecord> = {}): DoneRecord {
  const [source, ...others] = template.phases;
  const [draw] = source!.draws;
  const [evaluation] = draw!.evaluations;
  const measured: EvaluationRecord = {
    ...evaluation!,
    values: { ...evaluation!.values, top1 },
    intervals: { top1: [top1 - 0.014, top1 + 0.014] },
  };
  const phase: PhaseRecord = { ...source!, draws: [{ ...draw!, evaluations: [measured] }] };
  return { ...template, cell: { ...template.cell, label, seed }, phases: [phase, ...others], ...changes };
}

test('one seed: Wilson intervals, the published kind of number marked, findings and failures below', () => {
  const failed = {
    schemaVersion: 2,
    status: 'failed',
    cell: { ...template.cell, label: 'lora' },
    config: template.config,
    startedAt: template.startedAt,
    finishedAt: template.finishedAt,
    error: {
      code: 'TRAINING',
      message: 'Loss is NaN.',
      where: 'step 3',
      expected: null,
      received: null,
      fix: 'Lower it.',
    },
  } as const;
  const full = record('full', 0, 0.7, { findings: [] });
  const records = [record('linear-probe', 0, 0.612), { ...full, phases: full.phases.slice(0, 1) }];
  expect(
    summaryText(summarizeRun('runs/x', 'runs/x/report.html', [...records, failed])),
  ).toMatchInlineSnapshot(`
    "───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
    method        tuned        source    source     transfer-   transfer-     transfer-     transfer-  NOT transfer-   depth   depth     depth   mean  images  peak  findings
                      %       top-1 %  macro F1    stratified  stratified  as-published  as-published  as-published:  RMSE m  AbsRel  δ<1.25 %    CKA      /s    MB
                                                      top-1 %    macro F1   true labels   true labels     own labels
                                                                                top-1 %      macro F1        top-1 %
    linear-probe   0.34          61.2     0.605          31.3       0.005           0.5         0.005           98.2   0.280   0.056      91.2  0.600     812   438  1 error
                         [59.8, 62.6]            [29.9, 32.7]                [0.4, 0.7]                 [98.0, 98.5]                                                 1 warning
    full           0.34          70.0     0.605           n/a         n/a           n/a           n/a            n/a     n/a     n/a       n/a  0.600     812   438  none
                         [68.6, 71.4]
    ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
    In brackets: 95 % Wilson interval over the images. One seed: differences between rows may be chance.
    NOT: Scored on the labels that the protocol itself makes, the published kind of number: it does not measure transfer.
    Mean CKA: between different blocks, debiased. images/s: training in the first phase, on this machine; where the backbone is frozen, its features are kept and only the rest runs again. n/a: not measured.

    Findings of the audits:
      error   SINGLE_LABEL (transfer-as-published/as-published; linear-probe)
              All training images have one label.
      warning NORMALISATION (source; linear-probe)
              The normalisation is not the checkpoint's.

    Failed cells:
      lora on onnxruntime:cpu, seed 0: TRAINING: Loss is NaN.
          where:    step 3
          fix:      Lower it.

    Run:    runs/x
    Report: runs/x/report.html"
  `);
});

test('a narrow terminal gets several tables, each with the methods’ names', () => {
  const text = summaryText(summarizeRun('x', null, [record('linear-probe', 0, 0.6)]), 80);
  const tables = text.split('In brackets')[0]!;
  expect(Math.max(...tables.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  expect(tables.match(/linear-probe/g)).toHaveLength(3);
  for (const title of ['tuned', 'NOT', 'δ<1.25', 'peak', 'findings']) expect(tables).toContain(title);
});

test('several seeds: the mean with Student’s interval, and fewer seeds are said', () => {
  const records = [0.6, 0.62, 0.64].map((top1, seed) => record('lora', seed, top1));
  const summary = summarizeRun('runs/x', null, [...records, record('full', 0, 0.7)]);
  const [lora, full] = summary.rows;
  const top1 = lora!.scores.find(({ phase, metric }) => phase === 'source' && metric.key === 'top1')!;
  expect(top1.estimate!.value).toBeCloseTo(0.62, 12);
  // t(0.975, 2) = 4.302653, s = 0.02
  expect(top1.estimate!.interval![1] - 0.62).toBeCloseTo((4.302653 * 0.02) / Math.sqrt(3), 7);
  expect(full!.seeds).toEqual([0]);
  const text = summaryText(summary);
  expect(text).toContain('± 5.0');
  expect(text).toContain('Fewer seeds are done for full.');
});

test('a run of several backbones: one row for each, with the backbone’s name', () => {
  const onModel = (model: string, seed: number, top1: number) => {
    const { cell, ...rest } = record('lora', seed, top1);
    return { ...rest, cell: { ...cell, model } };
  };
  const records = [onModel('small', 0, 0.5), onModel('small', 1, 0.6), onModel('large', 0, 0.9)];
  const summary = summarizeRun('x', null, records);
  const top1 = summary.rows.map(({ model, seeds, scores }) => {
    const { estimate } = scores.find(({ phase, metric }) => phase === 'source' && metric.key === 'top1')!;
    return [model, seeds, estimate!.value];
  });
  expect(top1).toEqual([
    ['small', [0, 1], expect.closeTo(0.55, 12)],
    ['large', [0], 0.9],
  ]);
  const text = summaryText(summary);
  expect(text).toMatch(/method +model +tuned/);
  expect(text).toMatch(/lora +large/);
});
