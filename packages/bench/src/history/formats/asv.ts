import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FormatError, MissingDataError } from '@kora-bench/core/errors';
import { z } from 'zod';
import { entryLine } from '../history-cells.js';
import type { HistoryRow } from '../history-rows.js';
import { benchmarkNames } from '../history-rows.js';
import type { HistoryLine } from '../history-schema.js';
import type { ExportFormat, FormatFile } from './format-file.js';
import { importedFile, importedSeries } from './imported-series.js';

/*
 * airspeed velocity's results: `MACHINE/machine.json`, `MACHINE/HASH-ENV.json` and `benchmarks.json`, as version 0.6
 * writes them. A benchmark is one measure of one series.
 */

const environment = 'kora-bench';

/** A folder that asv publishes. */
export const asv: ExportFormat = {
  name: 'asv',
  holds: 'history',
  write(all) {
    // asv files results by commit.
    const rows = all.filter(({ commit }) => commit !== null);
    const series = benchmarkNames(rows.map((row) => ({ ...row, testbed: '' })));
    const nameOf = (row: HistoryRow) => `${series(row)}/${row.measure}`.replace(/[^A-Za-z0-9_./:-]+/g, '_');
    const files: FormatFile[] = [];
    const json = (path: string, value: unknown) =>
      files.push({ path, content: `${JSON.stringify(value, null, 1)}\n` });
    const benchmarks: Record<string, unknown> = { version: 2 };
    for (const row of rows) {
      const name = nameOf(row);
      benchmarks[name] ??= {
        code: row.measure,
        name,
        param_names: [],
        params: [],
        timeout: 60,
        type: 'track',
        unit: row.unit === '' ? 'unit' : row.unit,
        version: row.configuration.slice(0, 16),
      };
    }
    json('benchmarks.json', benchmarks);
    for (const testbed of new Set(rows.map((row) => row.testbed))) {
      json(`${testbed}/machine.json`, { machine: testbed, version: 1 });
      const own = rows.filter((row) => row.testbed === testbed);
      for (const commit of new Set(own.map((row) => row.commit!))) {
        const results: Record<string, unknown[]> = {};
        const ofCommit = own.filter((row) => row.commit === commit);
        for (const row of ofCommit) {
          const { configuration, date } = row;
          results[nameOf(row)] = [[row.value], [], configuration.slice(0, 16), Date.parse(date), 0];
        }
        json(`${testbed}/${commit.slice(0, 8)}-${environment}.json`, {
          commit_hash: commit,
          env_name: environment,
          date: Math.max(...ofCommit.map(({ date }) => Date.parse(date))),
          params: { machine: testbed },
          python: '',
          requirements: {},
          env_vars: {},
          result_columns: ['result', 'params', 'version', 'started_at', 'duration'],
          results,
          durations: {},
          version: 2,
        });
      }
    }
    return files;
  },
};

const benchmarksSchema = z.record(z.string(), z.unknown());
const benchmarkSchema = z.object({ unit: z.string().optional(), type: z.string().optional() });
const resultSchema = z.object({
  commit_hash: z.string(),
  date: z.number().describe('Milliseconds, of the commit.'),
  env_name: z.string(),
  params: z.record(z.string(), z.unknown()).default({}),
  result_columns: z.array(z.string()),
  results: z.record(z.string(), z.array(z.unknown()).nullable()),
  version: z.literal(2),
});

/**
 * The lines of a folder of asv's results, by file of the history; each combination of a benchmark's parameters is a
 * series. What failed there (null or NaN) has no entry, and its intervals of 99 % have no place in ours of 95 %.
 * @param folder `results`, with a folder for each machine
 */
export async function readAsv(
  folder: string,
): Promise<{ readonly files: Map<string, HistoryLine[]>; readonly problems: readonly string[] }> {
  const machines = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const units = await readUnits(join(folder, 'benchmarks.json'));
  const files = new Map<string, HistoryLine[]>();
  const problems: string[] = [];
  for (const { name: machine } of machines.filter((entry) => entry.isDirectory())) {
    const names = (await readdir(join(folder, machine))).filter(
      (name) => name.endsWith('.json') && name !== 'machine.json',
    );
    for (const name of names.sort()) {
      const path = join(folder, machine, name);
      try {
        for (const [file, lines] of linesOf(await readResult(path), machine, units))
          files.set(file, [...(files.get(file) ?? []), ...lines]);
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
        problems.push(`${machine}/${name}: ${error.received}`);
      }
    }
  }
  if (files.size > 0 || problems.length > 0) return { files, problems };
  throw new MissingDataError('There are no results of asv here.', {
    where: folder,
    expected: 'a folder with MACHINE/HASH-ENV.json',
    received: machines.length === 0 ? 'nothing' : 'no such files',
    fix: 'Name asv’s folder results.',
  });
}

async function readUnits(path: string): Promise<ReadonlyMap<string, z.infer<typeof benchmarkSchema>>> {
  const text = await readFile(path, 'utf8').catch(() => '{}');
  const found = benchmarksSchema.safeParse(parseJson(path, text)).data ?? {};
  return new Map(
    Object.entries(found).flatMap(([name, value]) => {
      const { data } = benchmarkSchema.safeParse(value);
      return data === undefined ? [] : [[name, data] as const];
    }),
  );
}

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new FormatError('A result of asv is not valid.', {
      where: path,
      received: (error as Error).message,
    });
  }
}

async function readResult(path: string): Promise<z.infer<typeof resultSchema>> {
  const parsed = resultSchema.safeParse(parseJson(path, await readFile(path, 'utf8')));
  if (parsed.success) return parsed.data;
  const { path: field, message } = parsed.error.issues[0]!;
  throw new FormatError('A result of asv is not valid.', {
    where: path,
    expected: 'a result with "version": 2',
    received: `${field.join('.') || 'the whole'}: ${message}`,
  });
}

function* linesOf(
  result: z.infer<typeof resultSchema>,
  machine: string,
  units: Awaited<ReturnType<typeof readUnits>>,
): Iterable<readonly [string, HistoryLine[]]> {
  const column = (row: readonly unknown[], name: string) => row[result.result_columns.indexOf(name)];
  for (const [benchmark, row] of Object.entries(result.results)) {
    if (row === null) continue;
    const values = column(row, 'result');
    if (!Array.isArray(values)) continue;
    const combinations = combine((column(row, 'params') ?? []) as readonly (readonly unknown[])[]);
    for (const [i, value] of values.entries()) {
      if (typeof value !== 'number' || !Number.isFinite(value)) continue;
      const parameters = combinations[i] ?? [];
      const name = parameters.length === 0 ? benchmark : `${benchmark}(${parameters.join(', ')})`;
      const { unit = '', type = 'track' } = units.get(benchmark) ?? {};
      const series = importedSeries(name, machine, [{ key: type, unit, direction: 'lower' }]);
      const entry = entryLine({
        date: new Date(result.date).toISOString(),
        commit: result.commit_hash,
        dirty: false,
        seed: 0,
        run: `asv ${result.env_name}`,
        versions: {},
        data: {},
        values: {
          [type]: { value },
        },
      });
      yield [importedFile(series), [series, entry]];
    }
  }
}

/** All combinations of parameters, the last one changing fastest, as asv orders its results. */
function combine(parameters: readonly (readonly unknown[])[]): string[][] {
  return parameters.reduce<string[][]>(
    (all, values) => all.flatMap((before) => values.map((value) => [...before, String(value)])),
    [[]],
  );
}
