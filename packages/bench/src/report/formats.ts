import { basename } from 'node:path';
import type { RunMethodComparisons } from '../method-comparison/compare-methods.js';
import { compareMethods } from '../method-comparison/compare-methods.js';
import { readRecords } from '../records/record-files.js';
import type { CellRecord, DoneRecord } from '../records/record-schema.js';
import { reportPath, writeOutput } from '../records/run-files.js';
import { readPlan } from '../records/run-folder.js';
import { summarizeRun } from '../table/run-summary.js';
import { cellsCsv, csvReport } from './csv.js';
import { latexReport } from './latex.js';
import { markdownReport } from './markdown.js';
import { runPage } from './run-page.js';

/** What a report can be written as; `cells-csv` has every single measurement, the others the means over seeds. */
export const reportFormats = ['html', 'md', 'latex', 'csv', 'cells-csv'] as const;
export type ReportFormat = (typeof reportFormats)[number];

/** The report of some records. @param name of the run */
export function formatReport(
  format: ReportFormat,
  name: string,
  records: readonly CellRecord[],
  methods?: RunMethodComparisons,
): string {
  const title = `KoRA Bench: ${name}`;
  if (format === 'html') return runPage(title, records, methods);
  if (format === 'cells-csv')
    return cellsCsv(records.filter((record): record is DoneRecord => record.status === 'done'));
  const summary = summarizeRun('', null, records);
  if (format === 'md') return markdownReport(title, summary);
  return format === 'latex' ? latexReport(title, summary) : csvReport(summary);
}

/**
 * The report of a run folder.
 * @param known its methods' comparisons, where they have been made
 * @throws MissingDataError | FormatError
 */
export async function reportOf(
  runDir: string,
  format: ReportFormat,
  known?: RunMethodComparisons,
): Promise<string> {
  const { cells } = await readPlan(runDir);
  const records = await readRecords(
    runDir,
    cells.map(({ id }) => id),
  );
  const methods = format === 'html' ? (known ?? (await compareMethods(runDir, records))) : undefined;
  return formatReport(format, basename(runDir), records, methods);
}

export interface PageOptions {
  /** Of the page; the run's `report.html` by default. */
  readonly path?: string | undefined;
  /** The comparisons of the run's methods, where they have been made. */
  readonly methods?: RunMethodComparisons;
}

/**
 * Writes the page of a run.
 * @returns its path
 * @throws MissingDataError | FormatError | InputError
 */
export async function writeReport(
  runDir: string,
  { path = reportPath(runDir), methods }: PageOptions = {},
): Promise<string> {
  await writeOutput(path, await reportOf(runDir, 'html', methods));
  return path;
}
