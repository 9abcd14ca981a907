import { basename } from 'node:path';
import { readRecords } from '../records/read-records.js';
import { reportPath } from '../records/run-paths.js';
import { readPlan } from '../records/run-plan.js';
import { writeOutput } from '../records/write-output.js';
import { runPage } from './run-page.js';

/**
 * Writes `report.html` into a run folder from its records.
 * @returns its path
 * @throws MissingDataError | FormatError | InputError
 */
export async function writeReport(runDir: string): Promise<string> {
  const plan = await readPlan(runDir);
  const records = await readRecords(
    runDir,
    plan.cells.map(({ id }) => id),
  );
  const path = reportPath(runDir);
  await writeOutput(path, runPage(`KoRA Bench: ${basename(runDir)}`, records));
  return path;
}
