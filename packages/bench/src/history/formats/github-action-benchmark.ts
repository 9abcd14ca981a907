import { benchmarkNames, newestRows } from '../history-rows.js';
import type { ExportFormat } from './format-file.js';

/* github-action-benchmark's custom tools take a list of numbers; one direction holds for a whole file, so two files. */

/** Two lists of numbers, one for each direction. */
export const githubActionBenchmark: ExportFormat = {
  name: 'github-action-benchmark',
  holds: 'newest',
  write(all) {
    const rows = newestRows(all);
    const name = benchmarkNames(rows);
    const of = (direction: 'higher' | 'lower') =>
      rows
        .filter((row) => row.direction === direction)
        .map((row) => ({
          name: `${name(row)}: ${row.title}`,
          unit: row.unit,
          value: row.value,
          ...(row.low !== null && row.high !== null && { range: `${row.low} to ${row.high}` }),
          extra: `measure ${row.measure}\nseed ${row.seed}\ncommit ${row.commit ?? 'unknown'}\nmeasured ${row.date}`,
        }));
    const file = (path: string, direction: 'higher' | 'lower') => ({
      path,
      content: `${JSON.stringify(of(direction), null, 2)}\n`,
    });
    return [file('customBiggerIsBetter.json', 'higher'), file('customSmallerIsBetter.json', 'lower')];
  },
};
