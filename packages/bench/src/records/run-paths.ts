import { join } from 'node:path';

export const recordsFolder = (runDir: string) => join(runDir, 'records');
export const recordPath = (runDir: string, cellId: string) => join(recordsFolder(runDir), `${cellId}.json`);
export const planPath = (runDir: string) => join(runDir, 'run.json');
export const reportPath = (runDir: string) => join(runDir, 'report.html');
export const lockPath = (runDir: string) => join(runDir, '.lock');
/** What a failed cell's process printed. */
export const logPath = (runDir: string, cellId: string) => join(runDir, 'logs', `${cellId}.log`);
