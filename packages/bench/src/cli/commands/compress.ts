import { join, resolve } from 'node:path';
import { formatMetric } from '@kora-bench/core/training';
import { makeFolder } from '@kora-bench/platform-node/atomic-file';
import { dataFolders } from '@kora-bench/platform-node/data-folders';
import type { CompressView } from '../../compressibility/compress-run.js';
import { compressRun } from '../../compressibility/compress-run.js';
import { compressibilityPage } from '../../compressibility/compressibility-page.js';
import type { Compressibility } from '../../compressibility/compressibility-schema.js';
import { compressibilityText, kilobytes } from '../../compressibility/compressibility-text.js';
import { unwritable, writeOutput } from '../../records/run-files.js';
import { findRun } from '../../records/run-folder.js';
import { exitCode, outputWidth, printJson, printMessage, printResult } from './output.js';
import { interruptible } from './signals.js';

export interface CompressCommandOptions {
  readonly phase?: string;
  readonly examples?: number;
  readonly tolerance: number;
  /** A folder; the run's own by default. */
  readonly out?: string;
  readonly json?: boolean;
}

/** Measures how few bytes hold what a run trained, and writes `compressibility.json` and `compressibility.html`. */
export function compress(
  run: string,
  cells: readonly string[],
  { phase, examples, tolerance, out, json }: CompressCommandOptions,
): Promise<number> {
  return interruptible(async ({ signal: stop }) => {
    const runDir = await findRun(run);
    const folder = out === undefined ? runDir : resolve(out);
    requireFolder(folder);
    const found = await compressRun(runDir, dataFolders(), {
      ...(cells.length > 0 && { cells }),
      ...(phase !== undefined && { phase }),
      ...(examples !== undefined && { examples }),
      ...{ tolerance, stop, view },
    });
    for (const note of differencesFromRecords(found)) printMessage(note);
    const path = join(folder, 'compressibility.html');
    await writeOutput(join(folder, 'compressibility.json'), `${JSON.stringify(found, null, 1)}\n`);
    await writeOutput(path, compressibilityPage(found));
    if (json) printJson(found);
    else printResult(`${compressibilityText(found, outputWidth())}\n\nPage: ${path}`);
    return exitCode.done;
  });
}

/** Makes the folder now: nobody wants to learn at the end that it cannot be. @throws InputError */
function requireFolder(folder: string): void {
  try {
    makeFolder(folder);
  } catch (error) {
    throw unwritable(folder, error);
  }
}

const view: CompressView = {
  cellStarted: (name, number, of) => printMessage(`[${number}/${of}] ${name}`),
  formDone: (_, { name, bytes, bitsPerParameter }) =>
    printMessage(
      `  ${name}: ${kilobytes(bytes.total)} kB, ${bitsPerParameter.toFixed(2)} bits per parameter`,
    ),
  report: (event) => {
    if (event.kind === 'message') printMessage(event.text);
  },
};

/** float32 loses nothing, so where it scores otherwise than the record says, something else than compression differs. */
function differencesFromRecords({ cells, metric }: Compressibility): string[] {
  return cells.flatMap(({ cell, recorded, forms: [first] }) => {
    const value = first!.value;
    if (recorded === null || value === null) return [];
    const [then, now] = [recorded, value].map((number) => formatMetric(metric, number));
    return then === now
      ? []
      : [
          `${cell.id}: float32 scores ${metric.label} ${now}, its record ${then}: another engine or machine than then. All forms are compared with ${now}.`,
        ];
  });
}
