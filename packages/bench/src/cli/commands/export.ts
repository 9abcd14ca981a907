import { resolve } from 'node:path';
import { dataFolders } from '@kora-bench/platform-node/data-folders';
import type { ExportTarget } from '../../export/export-model.js';
import { exportModel, requireEmpty } from '../../export/export-model.js';
import { openTrainedModel } from '../../export/open-trained-cell.js';
import { findRun } from '../../records/run-folder.js';
import { exitCode, printJson, printMessage, printResult } from './output.js';

export interface ExportOptions {
  readonly to: ExportTarget;
  readonly out: string;
  readonly phase?: string;
  readonly draw?: number;
  readonly json?: boolean;
}

/** Writes what a cell trained for another library, and prints the folder. */
export async function exportCell(
  run: string,
  cell: string,
  { to, out, phase, draw, json }: ExportOptions,
): Promise<number> {
  const folder = resolve(out);
  await requireEmpty(folder);
  const choice = { cell, ...(phase !== undefined && { phase }), ...(draw !== undefined && { draw }) };
  const trained = await openTrainedModel(await findRun(run), choice, dataFolders());
  const exported = await exportModel(trained, to, folder);
  for (const note of exported.notes) printMessage(note);
  if (json) printJson({ ...exported, cell: trained.cell.id, phase: trained.phase, to });
  else printResult(exported.folder);
  return exitCode.done;
}
