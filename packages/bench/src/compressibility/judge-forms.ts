import { areaUnderFront, smallestReaching } from '@kora-bench/compression';
import type { RecordedMetric } from '../records/phase-record-schema.js';
import type { ChosenForm, CodedForm, Compressibility, MeasuredCell } from './compressibility-schema.js';

/** A cell with all its forms, before it is compared with others. */
export type ScoredCell = Pick<MeasuredCell, 'cell' | 'parameters' | 'recorded' | 'nothing' | 'forms'>;

export interface JudgingSettings {
  readonly metric: RecordedMetric;
  /** Points of a share, percent of any other metric; at least 0. */
  readonly tolerance: number;
  /** How many the forms were scored on. */
  readonly examples: number;
}

/** What follows from the scores of all forms of all cells. */
export type Judgement = Pick<Compressibility, 'tolerance' | 'equal' | 'range' | 'cells'>;

/**
 * Judges cells beside each other: each against its own float32 form, and all at the metric that the worst of them has
 * uncompressed, over one range of bytes.
 */
export function judgeForms(
  cells: readonly ScoredCell[],
  { metric, tolerance, examples }: JudgingSettings,
): Judgement {
  const { direction } = metric;
  const isShare = metric.unit === '%';
  const worse = (value: number) => {
    const margin = (tolerance / 100) * (isShare ? 1 : Math.abs(value));
    return direction === 'higher' ? value - margin : value + margin;
  };
  const uncompressed = cells.flatMap(({ forms }) => forms[0]!.value ?? []);
  const worst = direction === 'higher' ? Math.min(...uncompressed) : Math.max(...uncompressed);
  const equal = uncompressed.length === 0 ? null : worse(worst);
  const sizes = cells
    .flatMap(({ forms }) => forms.map((form) => form.bytes.total))
    .filter((size) => size > 0);
  const range = sizes.length === 0 ? null : { from: Math.min(...sizes), to: Math.max(...sizes) };
  return {
    tolerance: { asked: tolerance, of: isShare ? 'points' : 'percent' },
    equal,
    range,
    cells: cells.map((cell): MeasuredCell => {
      const points = cell.forms.flatMap((form) =>
        form.value === null ? [] : [{ form, bytes: form.bytes.total, value: form.value }],
      );
      const { nothing } = cell;
      const curve = [...(nothing.value === null ? [] : [{ bytes: 0, value: nothing.value }]), ...points];
      const own = cell.forms[0]!.value;
      const reaching = (target: number | null): ChosenForm => {
        const found = target === null ? undefined : smallestReaching(points, target, direction);
        if (found === undefined) return null;
        const { name: form, bitsPerParameter } = found.form;
        return { form, bytes: found.bytes, bitsPerParameter, value: found.value };
      };
      return {
        ...cell,
        withinTolerance: reaching(own === null ? null : worse(own)),
        atEqualMetric: reaching(equal),
        area:
          range === null || nothing.value === null ? null : areaUnderFront(curve, { direction, ...range }),
        description: shortestDescription(cell.forms),
        paysAfter: earliestGain(cell, examples),
      };
    }),
  };
}

/**
 * The two-part code of Rissanen 1978, "Modeling by shortest data description": the bytes of the update and, given its
 * predictions, those of the labels. Of forms that are equal the first.
 */
function shortestDescription(forms: readonly CodedForm[]): MeasuredCell['description'] {
  const described = forms.flatMap(({ name, bytes: { total }, residualBytes }) =>
    residualBytes === null
      ? []
      : [{ form: name, bytes: total + residualBytes, update: total, residual: residualBytes }],
  );
  const least = Math.min(...described.map(({ bytes }) => bytes));
  return described.find(({ bytes }) => bytes === least) ?? null;
}

/**
 * When an update is worth its bytes: n examples cost n · nothing / N bytes without it, and update + n · residual / N with
 * it, where N examples were scored.
 */
function earliestGain({ nothing, forms }: ScoredCell, examples: number): MeasuredCell['paysAfter'] {
  const gains = forms.flatMap(({ name, bytes: { total }, residualBytes }) => {
    const saved = (nothing.residualBytes ?? 0) - (residualBytes ?? 0);
    return saved > 0 ? [{ form: name, examples: (total * examples) / saved }] : [];
  });
  const least = Math.min(...gains.map((gain) => gain.examples));
  return gains.find((gain) => gain.examples === least) ?? null;
}
