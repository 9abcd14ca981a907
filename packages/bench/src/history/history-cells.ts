import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { seriesNoise } from '@kora-bench/comparison';
import { MissingDataError } from '@kora-bench/core/errors';
import { canonicalJson } from '../input/json.js';
import type { ComparedCell } from '../measures/compared-cell.js';
import { keptOfFingerprints } from '../measures/compared-cell.js';
import type { Measure } from '../measures/measures.js';
import type { Additions, History, StoredSeries } from './history-files.js';
import { readHistory } from './history-files.js';
import type { EntryLine, HistoryLine, MeasureDefinition, SeriesLine } from './history-schema.js';

/** The file of a series in a history, and the lines that tell a cell. Null for a cell that failed. */
function linesOfCell(cell: ComparedCell): { readonly file: string; readonly lines: HistoryLine[] } | null {
  if (cell.testbed === null || cell.source?.record.status !== 'done') return null;
  const { record, runDir } = cell.source;
  const definition: SeriesLine = {
    historyVersion: 1,
    kind: 'series',
    name: cell.name,
    label: cell.label,
    model: cell.model,
    backend: cell.backend,
    device: cell.device,
    configuration: cell.configuration,
    settings: cell.settings && Object.fromEntries(cell.settings),
    testbed: cell.testbed,
    measures: Object.fromEntries(cell.measures.map((measure) => [measure.key, definitionOf(measure)])),
  };
  const { environment, code } = record;
  const entry = entryLine({
    date: cell.startedAt,
    commit: cell.commit,
    dirty: cell.dirty,
    seed: cell.seed,
    run: basename(runDir),
    versions: {
      node: environment.node,
      ...environment.backend,
      '@kora-bench/bench': code.packages['@kora-bench/bench'] ?? 'unknown',
      ...Object.fromEntries(
        code.plugins.map(({ name, version, digest }) => [
          name,
          version ?? digest.slice(0, keptOfFingerprints),
        ]),
      ),
    },
    data: Object.fromEntries(
      [...cell.data].map(([phase, parts]) => [
        phase,
        Object.fromEntries(
          Object.entries(parts).map(([part, full]) => [part, full.slice(0, keptOfFingerprints)]),
        ),
      ]),
    ),
    values: Object.fromEntries(
      cell.measures.map(({ key, value, interval, examples }) => [
        key,
        {
          value,
          ...(interval && { interval: [...interval] as [number, number] }),
          ...(examples !== null && { examples }),
        },
      ]),
    ),
  });
  return { file: seriesFile(definition), lines: [definition, entry] };
}

/** The lines that tell cells, by file, and how many cells did not finish and so have none. */
export function additionsOf(cells: readonly ComparedCell[]): {
  readonly additions: Additions;
  readonly unfinished: number;
} {
  const additions = new Map<string, HistoryLine[]>();
  let unfinished = 0;
  for (const cell of cells) {
    const told = linesOfCell(cell);
    if (told === null) unfinished++;
    else additions.set(told.file, [...(additions.get(told.file) ?? []), ...told.lines]);
  }
  return { additions, unfinished };
}

/** An entry with the id that its content gives it. */
export function entryLine(content: Omit<EntryLine, 'id' | 'kind' | 'historyVersion'>): EntryLine {
  // The folder's name is no part of a result.
  const { run, ...measured } = content;
  const id = createHash('sha256').update(canonicalJson(measured)).digest('hex').slice(0, 16);
  return { historyVersion: 1, kind: 'entry', id, ...content };
}

/** `<testbed>/<series>.jsonl`: readable, and unique by the configuration. */
export function seriesFile({ label, model, backend, device, configuration, testbed }: SeriesLine): string {
  const readable = [label, model.split(/[\\/]/).at(-1)!, backend, device]
    .join(' ')
    .toLowerCase()
    .replace(/[^a-z0-9.]+/g, '-')
    .replace(/^[-.]+|[-.]+$/g, '')
    .slice(0, 90);
  return `${testbed.id}/${readable}-${configuration.slice(0, 8)}.jsonl`;
}

function definitionOf(measure: Measure): MeasureDefinition {
  const { kind, title, phase, unit, direction, format, gating, isShare, range } = measure;
  return { kind, title, phase, unit, direction, format: { ...format }, gating, isShare, range: [...range] };
}

/**
 * The cells that a history has of a commit.
 * @param commit its beginning, or `latest` for each series' newest entries
 * @throws MissingDataError where there are none
 */
export async function historyCells(
  folder: string,
  commit: string,
): Promise<{ readonly cells: readonly ComparedCell[]; readonly problems: readonly string[] }> {
  const history = await readHistory(folder);
  const cells = history.series.flatMap((series) => cellsOf(series, commit));
  if (cells.length === 0) {
    const commits = history.series.flatMap(({ entries }) => entries.flatMap((entry) => entry.commit ?? []));
    throw new MissingDataError('The history has no entry of this commit.', {
      where: folder,
      expected:
        commits.length === 0
          ? 'at least one entry'
          : `one of ${[...new Set(commits.map((one) => one.slice(0, 10)))].slice(-5).join(', ')}, …`,
      received: history.series.length === 0 ? 'an empty history' : commit,
      fix: '`history list` shows what there is; `history add RUN` adds a run.',
    });
  }
  return { cells, problems: history.damaged.map(damageText) };
}

/** A damaged line in words. */
export function damageText({ file, line, reason }: History['damaged'][number]): string {
  return `${file}, line ${line}: ${reason}`;
}

/** The newest entry of each seed. */
function cellsOf({ definition, entries }: StoredSeries, commit: string): ComparedCell[] {
  const newest = new Map<number, EntryLine>();
  for (const entry of entries)
    if (commit === 'latest' || entry.commit?.startsWith(commit)) newest.set(entry.seed, entry);
  return [...newest.values()].map((entry) => cellOfEntry(definition, entry));
}

/** An entry as a cell that can be compared. */
export function cellOfEntry(definition: SeriesLine, entry: EntryLine): ComparedCell {
  return {
    name: definition.name,
    label: definition.label,
    model: definition.model,
    backend: definition.backend,
    device: definition.device,
    seed: entry.seed,
    configuration: definition.configuration,
    settings: definition.settings && new Map(Object.entries(definition.settings)),
    testbed: definition.testbed,
    commit: entry.commit,
    dirty: entry.dirty,
    startedAt: entry.date,
    measures: Object.entries(entry.values).flatMap(([key, { value, interval = null, examples = null }]) => {
      const own = definition.measures[key];
      return own === undefined
        ? []
        : [
            {
              ...{ key, ...own, value, interval, examples, metric: null, evaluation: null },
              range: own.range ?? (own.isShare ? [0, 1] : [null, null]),
            },
          ];
    }),
    failure: null,
    data: new Map(Object.entries(entry.data)),
    source: null,
  };
}

/** The noise that the series of a history have shown, for cells that they know. */
export function noiseOfHistory({ series }: Pick<History, 'series'>) {
  return ({ configuration, testbed, seed }: ComparedCell, measure: string): number | null => {
    const own = series.find(
      ({ definition }) => definition.configuration === configuration && definition.testbed.id === testbed?.id,
    );
    const values = (own?.entries ?? [])
      .filter((entry) => entry.seed === seed)
      .flatMap((entry) => entry.values[measure]?.value ?? []);
    return seriesNoise(values);
  };
}
