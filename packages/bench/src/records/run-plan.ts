import { z } from 'zod';
import { runConfigSchema } from '../config/run-config.js';
import { readJsonFile } from './read-json-file.js';
import { cellSchema } from './record-schema.js';
import { planPath } from './run-paths.js';
import { writeOutput } from './write-output.js';

/** `run.json`: what a run set out to do. Written once, before the first cell. */
export const runPlanSchema = z.strictObject({
  schemaVersion: z.literal(2),
  suite: z.string(),
  createdAt: z.iso.datetime(),
  config: runConfigSchema,
  cells: z.array(cellSchema),
});
export type RunPlan = z.infer<typeof runPlanSchema>;

/** @throws MissingDataError | FormatError */
export function readPlan(runDir: string): Promise<RunPlan> {
  return readJsonFile(planPath(runDir), runPlanSchema, 'run plan');
}

/** @throws InputError when the folder cannot be written */
export function writePlan(runDir: string, plan: RunPlan): Promise<void> {
  return writeOutput(planPath(runDir), `${JSON.stringify(plan, null, 2)}\n`);
}
