import { findRun } from '../../records/run-folder.js';
import { writeReport } from '../../report/run-page.js';
import { exitCode, printResult } from './output.js';

/** Writes a run's HTML report again and prints where it is. */
export async function report(run: string): Promise<number> {
  printResult(await writeReport(await findRun(run)));
  return exitCode.done;
}
