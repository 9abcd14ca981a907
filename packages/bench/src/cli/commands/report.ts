import { resolve } from 'node:path';
import { writeOutput } from '../../records/run-files.js';
import { findRun } from '../../records/run-folder.js';
import type { ReportFormat } from '../../report/formats.js';
import { reportOf, writeReport } from '../../report/formats.js';
import { exitCode, printResult } from './output.js';

export interface ReportOptions {
  readonly format: ReportFormat;
  /** A file; by default the page goes into the run folder, and every other format to stdout. */
  readonly out?: string;
}

/** Writes a run's report again and prints where it is, or the report itself. */
export async function report(run: string, { format, out }: ReportOptions): Promise<number> {
  const runDir = await findRun(run);
  const path = out === undefined || out === '-' ? undefined : resolve(out);
  if (format === 'html' && out !== '-') {
    printResult(await writeReport(runDir, { path }));
    return exitCode.done;
  }
  const text = await reportOf(runDir, format);
  if (path === undefined) process.stdout.write(text);
  else {
    await writeOutput(path, text);
    printResult(path);
  }
  return exitCode.done;
}
