import { readFileSync } from 'node:fs';
import type { DoneRecord, EvaluationRecord, PhaseRecord } from '@kora-bench/bench';
import { recordSchema, summarizeRun, summaryText } from '@kora-bench/bench';
import { describe, expect, test } from 'vitest';
import { fixture } from './fake-run.js';
import { trainingOf } from './tiny-cell.js';

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
    "Every method in small: few examples and epochs, to see that all works. Its numbers mean little.

    source: classification on procedural-source
    100 training images; scored on 100 test images; chance: top-1 1.0 %
    ──────────────────────────────────────────────────────
    method        learning  seeds       top-1 %  macro F1
                      rate
    linear-probe     0.005      1          61.2     0.605
                                   [59.8, 62.6]
    full             0.005      1          70.0     0.605
                                   [68.6, 71.4]
    ──────────────────────────────────────────────────────

    transfer-stratified: classification on procedural-transfer, protocol stratified, a new head on the frozen model of source
    400 training images; scored on 100 test images; chance: top-1 1.0 %
    ──────────────────────────────────────────────────────
    method        learning  seeds       top-1 %  macro F1
                      rate
    linear-probe     0.002      1          31.3     0.005
                                   [29.9, 32.7]
    ──────────────────────────────────────────────────────

    transfer-as-published: classification on procedural-transfer, protocol as-published, a new head on the frozen model of source
    400 training images; scored on 100 test images (true labels); chance: top-1 1.0 %
    ──────────────────────────────────────────────────────────────────────
    method        learning  seeds  true labels  true labels          NOT:
                      rate             top-1 %     macro F1    own labels
                                                                  top-1 %
    linear-probe     0.001      1          0.5        0.005          98.2
                                    [0.4, 0.7]               [98.0, 98.5]
    ──────────────────────────────────────────────────────────────────────

    depth: depth on procedural-depth, from the model of source
    100 training images; scored on 100 test images
    ────────────────────────────────────────────────────────
    method        learning  seeds  RMSE m  AbsRel  δ<1.25 %
                      rate
    linear-probe     0.001      1   0.280   0.056      91.2
    ────────────────────────────────────────────────────────

    What it costs
    ────────────────────────────────────────────────────────────────
    method        tuned  images/s  features  peak   mean  findings
                      %            images/s    MB    CKA
    linear-probe   0.34       812      25.0   438  0.600  1 error
                                                          1 warning
    full           0.34       812      25.0   438  0.600  none
    ────────────────────────────────────────────────────────────────

    In brackets: 95 % Wilson interval over the images. One seed: differences between rows may be chance.
    NOT: Scored on the labels that the protocol itself makes, the published kind of number: it does not measure transfer.
    images/s: the steps of training in the first phase, on this machine; where features are kept, a step runs only what comes after them. features images/s: the one pass that computed the kept features, what the frozen first blocks make of each image, in this run or an earlier one; no part of images/s.
    Mean CKA: between different layers, debiased. n/a: not measured.

    Note: trained on ImageNet-21k, fine-tuned on ImageNet-1k

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

test.each([80, 120])(
  'lines of at most %i characters: what is wider goes below, with the methods’ names',
  (width) => {
    const text = summaryText(summarizeRun('x', null, [record('linear-probe', 0, 0.6)]), width);
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(width);
    const narrow = summaryText(summarizeRun('x', null, [record('linear-probe', 0, 0.6)]), 42);
    const costs = narrow.slice(narrow.indexOf('What it costs'));
    expect(costs.match(/^linear-probe/gm)!.length).toBeGreaterThan(1);
  },
);

test('several seeds: the mean with its interval, and fewer seeds are said', () => {
  const records = [0.6, 0.62, 0.64].map((top1, seed) => record('lora', seed, top1));
  const summary = summarizeRun('runs/x', null, [...records, record('full', 0, 0.7)]);
  const [lora, full] = summary.rows;
  const top1 = lora!.scores.find(({ phase, metric }) => phase === 'source' && metric.key === 'top1')!;
  expect(top1.estimate!.value).toBeCloseTo(0.62, 12);
  // t(0.975, 2) = 4.302653, s = 0.02; on the logit scale, whose slope at m is 1 / (m (1 − m)).
  const logit = (share: number) => Math.log(share / (1 - share));
  const halfWidth = (4.302653 * 0.02) / Math.sqrt(3) / (0.62 * 0.38);
  const [low, high] = top1.estimate!.interval!;
  expect(logit(low)).toBeCloseTo(logit(0.62) - halfWidth, 6);
  expect(logit(high)).toBeCloseTo(logit(0.62) + halfWidth, 6);
  expect(full!.seeds).toEqual([0]);
  const text = summaryText(summary);
  expect(top1.estimate!.deviation).toBeCloseTo(0.02, 12);
  expect(text).toMatch(/lora +0\.005 +3 +62\.0 ± 2\.0 .*\n +\[56\.9, 66\.8\]/);
  expect(text).toContain('Mean ± standard deviation over 3 seeds; in brackets the 95 % interval of the mean');
  expect(text).toContain('In the brackets of a single measurement: 95 % Wilson interval');
  expect(text).toContain('Fewer seeds are done for full.');
});

describe('images per second', () => {
  type Training = NonNullable<PhaseRecord['draws'][number]['training']>;
  const trained = (label: string, seed: number, changes: Partial<Training>): DoneRecord => {
    const { phases, ...rest } = record(label, seed, 0.6);
    const [draw] = phases[0]!.draws;
    const training = { ...draw!.training!, ...changes };
    return { ...rest, phases: [{ ...phases[0]!, draws: [{ ...draw!, training }] }] };
  };
  const { cache } = trainingOf(template);
  const pass = { imagesPerSecond: 80, seconds: 5, images: 400 };
  const computed = { ...cache!, computedImages: 400, reusedImages: 0, pass };
  const reused = { ...cache!, computedImages: 0, reusedImages: 400, pass };
  const probe = [
    trained('probe', 0, { imagesPerSecond: 12800, cache: computed }),
    trained('probe', 1, { imagesPerSecond: 13300, cache: reused }),
    trained('probe', 2, { imagesPerSecond: 12200, cache: reused }),
  ];

  test('of the steps and of the pass that kept features are never averaged together', () => {
    const [row] = summarizeRun('x', null, probe).rows;
    expect(row!.imagesPerSecond).toMatchObject({ value: expect.closeTo(38300 / 3, 9), measurements: 3 });
    // One pass, though three seeds use it.
    expect(row!.featuresImagesPerSecond).toEqual({
      value: 80,
      interval: null,
      deviation: null,
      measurements: 1,
    });
  });

  test('of several passes have a mean of their own', () => {
    const other = { ...computed, pass: { imagesPerSecond: 100, seconds: 4, images: 400 } };
    const [row] = summarizeRun('x', null, [...probe, trained('probe', 3, { cache: other })]).rows;
    expect(row!.featuresImagesPerSecond).toMatchObject({ value: 90, measurements: 2 });
  });

  test('have intervals above 0, however they differ', () => {
    const rates = [82, 13304, 12221];
    const records = rates.map((imagesPerSecond, seed) => trained('probe', seed, { imagesPerSecond }));
    const [row] = summarizeRun('x', null, records).rows;
    const [low, high] = row!.imagesPerSecond.interval!;
    expect(low).toBeCloseTo(1007.8, 1);
    expect(high).toBeCloseTo(72293.4, 1);
  });

  test('are two columns where any row keeps features, and one where none does', () => {
    const full = trained('full', 0, { imagesPerSecond: 31.4, cache: null });
    const both = summaryText(summarizeRun('x', null, [...probe, full]));
    expect(both).toMatch(/images\/s +features +peak/);
    expect(both).toMatch(/^probe .* 12767 +80\.0 +438/m);
    expect(both).toMatch(/^full .* 31\.4 +n\/a +438/m);
    expect(both).toContain('images/s: the steps of training in the first phase, on this machine; where');
    expect(both).toContain('features images/s: the one pass that computed the kept features');
    expect(both).toContain('n/a there: nothing is kept');
    const alone = summaryText(summarizeRun('x', null, [full]));
    expect(alone).toMatch(/images\/s +peak/);
    expect(alone).toContain('images/s: the steps of training in the first phase, on this machine.');
    expect(alone).not.toContain('features');
  });
});

test('intervals of means stay inside what is possible, also for a metric that breaks its own range', () => {
  const intervalOf = (shares: readonly number[]) => {
    const { rows } = summarizeRun(
      'x',
      null,
      shares.map((top1, seed) => record('lora', seed, top1)),
    );
    return rows[0]!.scores.find(({ metric }) => metric.key === 'top1')!.estimate!.interval!;
  };
  const [low, high] = intervalOf([0.95, 1, 0.98]);
  expect(low).toBeGreaterThan(0);
  expect(high).toBeLessThan(1);
  const [below, above] = intervalOf([0.9, 1.1]);
  expect(below + above).toBeCloseTo(2, 9);
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
  expect(text).toMatch(/method +model +learning/);
  expect(text).toMatch(/lora +large/);
});

test('several backends: where scores differ by more than rounding, method by method', () => {
  const on = (backend: string, label: string, top1: number) => {
    const { cell, ...rest } = record(label, 0, top1);
    return { ...rest, cell: { ...cell, backend, device: 'cpu' } };
  };
  const one = [on('onnxruntime', 'lora', 0.5), on('onnxruntime', 'full', 0.61)];
  const text = (records: DoneRecord[]) => summaryText(summarizeRun('x', null, records));
  const same = [on('tfjs', 'lora', 0.5), on('tfjs', 'full', 0.610001)];
  expect(text([...one, ...same])).toContain('The backends differ by rounding at most.');
  const other = text([...one, on('tfjs', 'lora', 0.51), on('tfjs', 'full', 0.61)]);
  expect(other).toContain(
    'Backends differ by more than rounding:\n  lora, source top-1: onnxruntime:cpu 50.0, tfjs:cpu 51.0\n',
  );
  expect(other).not.toMatch(/ {2}full, source/);
  expect(text(one)).not.toContain('differ by');
});
