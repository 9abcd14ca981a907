import { findRun } from '../../records/find-run.js';
import { writeReport } from '../../report/write-report.js';
import { exitCode } from '../exit-code.js';
import { printResult } from '../output.js';

/** Writes a run's HTML report again and prints where it is. */
export async function report(run: string): Promise<number> {
  printResult(await writeReport(await findRun(run)));
  return exitCode.done;
}
