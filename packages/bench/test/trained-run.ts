import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CellJob, DoneRecord, RunConfigInput } from '@kora-bench/bench';
import {
  createRun,
  openResources,
  planCells,
  resolveConfig,
  runCell,
  runConfigSchema,
  writeRecord,
} from '@kora-bench/bench';
import type { DataContext } from '@kora-bench/core/data';
import { timmCheckpointFiles } from '@kora-bench/models';
import { toyVitConfig } from '@kora-bench/testing/vit-configs';
import { tinyCheckpoint } from './tiny-cell.js';

/** Writes the toy backbone as a checkpoint of timm's. */
export function writeToyCheckpoint(folder: string): void {
  mkdirSync(folder, { recursive: true });
  const files = timmCheckpointFiles({
    config: toyVitConfig,
    preprocessing: tinyCheckpoint.preprocessing,
    weights: tinyCheckpoint.tensors,
  });
  for (const [name, content] of files) writeFileSync(join(folder, name), content);
}

/**
 * Runs all cells of a configuration in this process and keeps what they train: few images, on the interpreter unless told
 * otherwise.
 */
export async function trainedRun(
  runDir: string,
  given: Partial<RunConfigInput> & Pick<RunConfigInput, 'methods' | 'models'>,
  context: DataContext,
): Promise<DoneRecord[]> {
  const config = runConfigSchema.parse({
    backends: [{ name: 'reference' }],
    phases: [{ name: 'source', task: 'classification', data: 'procedural-source' }],
    seeds: [0],
    training: { epochs: 1, batchSize: 4, learningRate: 0.05 },
    limits: { trainExamples: 4, testExamples: 2 },
    keepWeights: true,
    ...given,
  });
  const resolved = await resolveConfig(config);
  const cells = planCells(resolved);
  const createdAt = new Date().toISOString();
  const plan = { schemaVersion: 2 as const, suite: 'test', createdAt, config: resolved.config, cells };
  await (await createRun(runDir, plan)).release();
  const records: DoneRecord[] = [];
  for (const cell of cells) {
    const job: CellJob = { cell, config: resolved.config, runDir, ...context };
    const record = await runCell(job, await openResources(job, resolved.registry), () => undefined);
    await writeRecord(runDir, record);
    records.push(record);
  }
  return records;
}
