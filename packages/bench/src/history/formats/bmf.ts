import { FormatError } from '@kora-bench/core/errors';
import { z } from 'zod';
import { entryLine } from '../history-cells.js';
import { benchmarkNames, newestRows } from '../history-rows.js';
import type { HistoryLine } from '../history-schema.js';
import type { ExportFormat } from './format-file.js';
import { importedFile, importedSeries } from './imported-series.js';

/* Bencher Metric Format: `{ benchmark: { measure: { value, lower_value?, upper_value? } } }`. It knows no time. */

const bmfSchema = z.record(
  z.string(),
  z.record(
    z.string(),
    z.object({
      value: z.number(),
      lower_value: z.number().nullish(),
      upper_value: z.number().nullish(),
    }),
  ),
);

/** Bencher’s format. */
export const bmf: ExportFormat = {
  name: 'bmf',
  holds: 'newest',
  write(all) {
    const rows = newestRows(all);
    const name = benchmarkNames(rows);
    const found: Record<string, Record<string, object>> = {};
    for (const row of rows) {
      const benchmark = name(row);
      const own = found[benchmark] ?? {};
      found[benchmark] = own;
      own[row.measure] = {
        value: row.value,
        ...(row.low !== null && { lower_value: row.low }),
        ...(row.high !== null && { upper_value: row.high }),
      };
    }
    return [{ path: 'bmf.json', content: `${JSON.stringify(found, null, 2)}\n` }];
  },
};

/** What a file of other people's results does not say itself. */
export interface ImportContext {
  readonly testbed: string;
  readonly commit: string | null;
  readonly date: string;
  /** Of the file, for messages and the entries' `run`. */
  readonly from: string;
}

/**
 * The lines of a BMF file, by file of the history. Measures are taken to be better where they are lower, but for
 * throughput, accuracy and what else is called like a score.
 * @throws FormatError for anything else
 */
export function readBmf(text: string, context: ImportContext): Map<string, HistoryLine[]> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw notBmf(context.from, (error as Error).message);
  }
  const result = bmfSchema.safeParse(value);
  if (!result.success) {
    const { path, message } = result.error.issues[0]!;
    throw notBmf(context.from, `${path.join('.') || 'the whole'}: ${message}`);
  }
  const files = new Map<string, HistoryLine[]>();
  for (const [benchmark, measures] of Object.entries(result.data)) {
    const series = importedSeries(
      benchmark,
      context.testbed,
      Object.keys(measures).map((key) => ({ key, unit: unitOf(key), direction: directionOf(key) })),
    );
    const entry = entryLine({
      date: context.date,
      commit: context.commit,
      dirty: null,
      seed: 0,
      run: context.from,
      versions: {},
      data: {},
      values: Object.fromEntries(
        Object.entries(measures).map(([key, { value: own, lower_value: low, upper_value: high }]) => [
          key,
          {
            value: own,
            ...(typeof low === 'number' &&
              typeof high === 'number' && { interval: [low, high] as [number, number] }),
          },
        ]),
      ),
    });
    files.set(importedFile(series), [series, entry]);
  }
  return files;
}

function notBmf(where: string, received: string): FormatError {
  return new FormatError('The file is not in Bencher’s format.', {
    where,
    expected: '{ "<benchmark>": { "<measure>": { "value": number } } }',
    received,
    fix: 'Export it again, or name its format with --format.',
  });
}

const directionOf = (key: string) =>
  /throughput|accuracy|score|per-?second|top-?1|f1/i.test(key) ? ('higher' as const) : ('lower' as const);
const unitOf = (key: string) => (key === 'latency' ? 'ns' : '');
