// Checks that a run folder holds one valid, finished record per planned cell.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { recordSchema } from '../packages/bench/dist/index.js';

const run = process.argv[2];
const plan = JSON.parse(readFileSync(join(run, 'run.json'), 'utf8'));
const files = readdirSync(join(run, 'records')).filter((name) => name.endsWith('.json'));
const records = files.map((name) =>
  recordSchema.parse(JSON.parse(readFileSync(join(run, 'records', name), 'utf8'))),
);
const failed = records.filter(({ status }) => status !== 'done');
for (const { cell, error } of failed) console.error(`${cell.id}: ${error.message}`);
if (failed.length > 0 || records.length !== plan.cells.length || records.length === 0) {
  console.error(`${records.length} records of ${plan.cells.length} cells, ${failed.length} failed.`);
  process.exit(1);
}
console.log(`${records.length} valid records`);
