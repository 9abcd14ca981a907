import { cellOfEntry } from '../history/history-cells.js';
import type { StoredSeries } from '../history/history-files.js';
import type { ComparedCell } from '../measures/compared-cell.js';
import type { Measure } from '../measures/measures.js';
import type { Estimate } from '../table/summary-row.js';
import { estimate } from '../table/summary-row.js';
import type { SiteContent } from './site-content.js';
import { cellsOfRuns, seriesKeyOf } from './site-content.js';

/** One configuration on one machine, over its seeds, by its newest results. */
export interface MethodGroup {
  /** As short as tells it from the others. */
  readonly name: string;
  readonly label: string;
  readonly model: string;
  /** `backend:device` */
  readonly engine: string;
  readonly machine: string;
  readonly seeds: readonly number[];
  readonly cells: readonly ComparedCell[];
  /** By measure. */
  readonly estimates: ReadonlyMap<string, Estimate>;
}

export interface Methods {
  readonly groups: readonly MethodGroup[];
  /** Every measure that any group has, in their order. */
  readonly measures: readonly Measure[];
  /** What phases are judged by. */
  readonly primary: readonly Measure[];
}

/** The newest results of every configuration, from runs and histories. */
export function newestMethods({ series, runs }: SiteContent): Methods {
  const cells = [...series.flatMap(newestOf), ...cellsOfRuns(runs)].filter(({ testbed }) => testbed !== null);
  const byKey = new Map<string, Map<number, ComparedCell>>();
  // In order of time, so that the newest of each seed stays; of the same result, the run's own cell.
  for (const cell of cells.toSorted((a, b) =>
    a.startedAt < b.startedAt ? -1 : a.startedAt > b.startedAt ? 1 : 0,
  )) {
    const group = byKey.get(seriesKeyOf(cell)) ?? new Map<number, ComparedCell>();
    group.set(cell.seed, cell);
    byKey.set(seriesKeyOf(cell), group);
  }
  const groups = [...byKey.values()].map((bySeed) =>
    [...bySeed.values()].toSorted((a, b) => a.seed - b.seed),
  );
  const nameOf = shortNames(groups);
  const measures = new Map(cells.flatMap((cell) => cell.measures.map((one) => [one.key, one] as const)));
  return {
    groups: groups.map((own) => {
      const [first] = own as [ComparedCell];
      return {
        name: nameOf(own),
        label: first.label,
        model: first.model,
        engine: `${first.backend}:${first.device}`,
        machine: first.testbed!.description,
        seeds: own.map(({ seed }) => seed),
        cells: own,
        estimates: new Map(
          [...measures.keys()].flatMap((key) => {
            const found = estimateOf(own, key);
            return found === null ? [] : [[key, found] as const];
          }),
        ),
      };
    }),
    measures: [...measures.values()],
    primary: [...measures.values()].filter(({ kind, gating }) => kind === 'quality' && gating),
  };
}

function newestOf({ definition, entries }: StoredSeries): ComparedCell[] {
  const bySeed = new Map(entries.map((entry) => [entry.seed, entry]));
  return [...bySeed.values()].map((entry) => cellOfEntry(definition, entry));
}

/** The mean over the seeds that have it; null where none has. */
function estimateOf(cells: readonly ComparedCell[], key: string): Estimate | null {
  const found = cells.flatMap(({ measures }) => measures.find((one) => one.key === key) ?? []);
  const [first] = found;
  if (first === undefined) return null;
  const { value, interval, range } = first;
  if (found.length === 1) return { value, interval, deviation: null, measurements: 1 };
  return estimate(
    found.map((one) => one.value),
    range,
  );
}

function shortNames(groups: readonly (readonly ComparedCell[])[]): (own: readonly ComparedCell[]) => string {
  const firsts = groups.map(([first]) => first!);
  const several = (of: (cell: ComparedCell) => unknown) => new Set(firsts.map(of)).size > 1;
  const engine = ({ backend, device }: ComparedCell) => `${backend}:${device}`;
  const [models, engines, machines] = [
    several(({ model }) => model),
    several(engine),
    several(({ testbed }) => testbed?.id),
  ];
  // The processor's name is enough, unless two machines have the same.
  const processor = (cell: ComparedCell) => cell.testbed!.description.split(',')[0]!;
  const machineOf = (cell: ComparedCell) => {
    const twins = firsts.some(
      (other) => processor(other) === processor(cell) && other.testbed!.id !== cell.testbed!.id,
    );
    return twins ? cell.testbed!.id.slice(-6) : processor(cell);
  };
  const plain = (cell: ComparedCell) =>
    [
      cell.label,
      ...(models ? [`with ${cell.model}`] : []),
      ...(engines ? [`on ${engine(cell)}`] : []),
      ...(machines ? [`on ${machineOf(cell)}`] : []),
    ].join(' ');
  const counts = new Map<string, number>();
  for (const first of firsts) counts.set(plain(first), (counts.get(plain(first)) ?? 0) + 1);
  return ([first]) => {
    const name = plain(first!);
    return counts.get(name)! > 1 ? `${name}, ${first!.configuration.slice(0, 6)}` : name;
  };
}
