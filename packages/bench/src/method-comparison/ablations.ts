import { holm, significance } from '@kora-bench/comparison';
import { formatMetric } from '@kora-bench/core/training';
import type { CellRecord } from '../records/record-schema.js';
import { absent, metricTitle, plainTable } from '../table/text-table.js';
import type { MethodComparison } from './compare-methods.js';

/** What one change of a method does to it: the changed method less the full one, on the same images and seeds. */
export interface AblationEffect {
  /** What is changed, e.g. `gate`. */
  readonly factor: string;
  readonly label: string;
  readonly value: number;
  readonly difference: number;
  readonly interval: readonly [low: number, high: number];
  /** After Holm over the changes of this full method. */
  readonly p: number;
  readonly holds: boolean;
  /** Null where no record says. */
  readonly trainableParameters: number | null;
}

/** The ablations of one full method in one evaluation. */
export interface Ablation {
  readonly comparison: MethodComparison;
  readonly full: {
    readonly label: string;
    readonly value: number;
    readonly trainableParameters: number | null;
  };
  /** Factor by factor, in the order of the configuration. */
  readonly effects: readonly AblationEffect[];
}

/**
 * The ablations that a run's configuration names (`ablates`), from the comparisons of its methods. Only changes are
 * tested against their full method, so that there are fewer tests to correct for than pairs of methods.
 */
export function ablationsOf(
  comparisons: readonly MethodComparison[],
  records: readonly CellRecord[],
): readonly Ablation[] {
  const entries = records[0]?.config.methods ?? [];
  const fulls = new Set(entries.flatMap(({ ablates }) => ablates?.of ?? []));
  const sizes = new Map(
    records.flatMap((record) =>
      record.status === 'done' ? [[record.cell.label, record.model.trainableParameters] as const] : [],
    ),
  );
  return comparisons.flatMap((comparison) => {
    const { methods, pairs } = comparison.differences;
    const scoreOf = (label: string) => methods.find((one) => one.label === label)?.value;
    return [...fulls].flatMap((full): Ablation[] => {
      const fullValue = scoreOf(full);
      if (fullValue === undefined) return [];
      const found = entries.flatMap(({ name, label = name, ablates }) => {
        if (ablates?.of !== full) return [];
        const pair = pairs.find(
          ({ first, second }) => (first === full && second === label) || (first === label && second === full),
        );
        return pair === undefined ? [] : [{ label, factor: ablates.factor, pair }];
      });
      if (found.length === 0) return [];
      const adjusted = holm(found.map(({ pair }) => pair.p));
      const effects = found.map(({ label, factor, pair }, i): AblationEffect => {
        const { difference, interval } = pair;
        const sign = pair.first === label ? 1 : -1;
        return {
          factor,
          label,
          value: scoreOf(label)!,
          difference: sign * difference,
          interval: sign === 1 ? interval : [-interval[1], -interval[0]],
          p: adjusted[i]!,
          holds: adjusted[i]! < significance,
          trainableParameters: sizes.get(label) ?? null,
        };
      });
      const factors = [...new Set(effects.map(({ factor }) => factor))];
      return [
        {
          comparison,
          full: { label: full, value: fullValue, trainableParameters: sizes.get(full) ?? null },
          effects: factors.flatMap((factor) => effects.filter((effect) => effect.factor === factor)),
        },
      ];
    });
  });
}

/** How far a factor moves the metric. */
export interface MainEffect {
  readonly factor: string;
  readonly lowest: { readonly label: string; readonly value: number };
  readonly highest: { readonly label: string; readonly value: number };
}

/** The lowest and the highest level of every factor, the full method among them; the widest first. */
export function mainEffects({ full, effects }: Ablation): readonly MainEffect[] {
  const factors = [...new Set(effects.map(({ factor }) => factor))];
  const width = ({ lowest, highest }: MainEffect) => highest.value - lowest.value;
  return factors
    .map((factor): MainEffect => {
      const levels = [full, ...effects.filter((effect) => effect.factor === factor)].toSorted(
        (a, b) => a.value - b.value,
      );
      return { factor, lowest: levels[0]!, highest: levels.at(-1)! };
    })
    .toSorted((a, b) => width(b) - width(a));
}

/** What the tests of an ablation say. */
export function ablationRule({ comparison: { seeds }, full, effects }: Ablation): string {
  return `Each change against ${full.label} on the same test images and ${seeds.length === 1 ? 'seed' : `${seeds.length} seeds`}, at the same budget; a difference holds at p < ${significance} after Holm over the ${effects.length} changes.`;
}

/** A p-value as it is shown. */
export function shownP(p: number): string {
  return p < 0.0001 ? '<0.0001' : p.toFixed(4);
}

/** The ablations as tables for a terminal; empty without any. */
export function ablationText(ablations: readonly Ablation[]): string {
  return ablations
    .map((ablation) => {
      const { comparison, full, effects } = ablation;
      const { phase, metric } = comparison;
      const text = (value: number) => formatMetric(metric, value);
      const size = (count: number | null) => count?.toLocaleString('en') ?? absent;
      const table = plainTable(
        [
          { title: 'factor' },
          { title: 'change' },
          { title: metricTitle(metric), numeric: true },
          { title: `difference ${metric.unit}`.trim(), numeric: true },
          { title: 'p', numeric: true },
          { title: 'holds' },
          { title: 'trainable', numeric: true },
        ],
        [
          ['', full.label, text(full.value), '', '', '', size(full.trainableParameters)],
          ...effects.map(({ factor, label, value, difference, interval, p, holds, trainableParameters }) => [
            factor,
            label,
            text(value),
            `${text(difference)} [${interval.map(text).join(', ')}]`,
            shownP(p),
            holds ? 'yes' : 'no',
            size(trainableParameters),
          ]),
        ],
      );
      return [`Against ${full.label}, ${phase}:`, table, ablationRule(ablation)].join('\n');
    })
    .join('\n\n');
}
