import { distinctLabels } from '../config/configure.js';
import type { RunConfig } from '../config/run-config.js';
import { nameAndOptions } from '../config/run-config.js';
import type { PublishedMeasure, PublishedResults } from './published-schema.js';

type Named = Pick<RunConfig, 'methods' | 'phases' | 'analyses'>;

/**
 * Published results without what is of methods, phases or analyses that flags left out of a suite. What neither has is
 * left in, to be refused.
 * @param before the suite
 * @param after the suite with the flags laid over it
 */
export function withoutLeftResults(
  published: readonly PublishedResults[],
  before: Named,
  after: Named,
): PublishedResults[] {
  const [had, has] = [namesOf(before), namesOf(after)];
  const stays = (kind: keyof Names, name: string) => !had[kind].has(name) || has[kind].has(name);
  const isThere = (measure: PublishedMeasure) =>
    measure === 'share' || ('phase' in measure ? stays('scored', measure.phase) : stays('analyses', 'cka'));
  return published.flatMap((table) => {
    const kept = table.columns.map(({ measure }) => isThere(measure));
    const columns = table.columns
      .filter((_, index) => kept[index])
      .map((column) => ({ ...column, honest: column.honest.filter(({ measure }) => isThere(measure)) }));
    const rows = table.rows
      .filter(({ method }) => stays('methods', method))
      .map((row) => ({ ...row, values: row.values.filter((_, index) => kept[index] ?? true) }));
    const phases = Object.fromEntries(
      Object.entries(table.setting.phases).filter(([name]) => stays('phases', name)),
    );
    const setting = { ...table.setting, phases };
    return columns.length === 0 || rows.length === 0 ? [] : [{ ...table, setting, columns, rows }];
  });
}

interface Names {
  readonly methods: ReadonlySet<string>;
  readonly phases: ReadonlySet<string>;
  readonly scored: ReadonlySet<string>;
  readonly analyses: ReadonlySet<string>;
}

function namesOf({ methods, phases, analyses }: Named): Names {
  return {
    methods: new Set(distinctLabels(methods).map(({ label }) => label!)),
    phases: new Set(phases.map(({ name }) => name)),
    scored: new Set(phases.filter(({ evaluate }) => evaluate.length > 0).map(({ name }) => name)),
    analyses: new Set(analyses.map((entry) => nameAndOptions(entry).name)),
  };
}
