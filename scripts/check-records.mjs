// Checks that a run folder holds a valid, finished record of every planned cell: with every phase of the plan,
// finite primary metrics, and beside each evaluation a file of scores with one line per example.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { recordSchema, runPlanSchema } from '../packages/bench/dist/index.js';

const { parse } = createRequire(new URL('../packages/bench/package.json', import.meta.url))('csv-parse/sync');
const run = process.argv[2];
if (run === undefined) {
  console.error('Usage: node scripts/check-records.mjs <run folder>');
  process.exit(2);
}

const json = (...names) => JSON.parse(readFileSync(join(run, ...names), 'utf8'));
const problems = [];
const { cells, config } = runPlanSchema.parse(json('run.json'));
if (cells.length === 0) problems.push('The plan has no cells.');
for (const { id } of cells) {
  const report = (problem) => problems.push(`${id}: ${problem}`);
  if (existsSync(join(run, 'records', `${id}.json`))) checkRecord(id, report);
  else report('there is no record.');
}
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exit(1);
console.log(`${cells.length} valid records`);

function checkRecord(id, report) {
  const { success, data: record, error } = recordSchema.safeParse(json('records', `${id}.json`));
  if (!success) return report(`${error.issues[0].path.join('.')}: ${error.issues[0].message}`);
  if (record.status !== 'done') return report(`failed: ${record.error.message}`);
  const [planned, recorded] = [config, record].map(({ phases }) => phases.map(({ name }) => name).join(', '));
  if (recorded !== planned) report(`has the phases ${recorded}; the plan has ${planned}.`);
  for (const [index, { name, metrics, draws }] of record.phases.entries()) {
    const asked = config.phases[index]?.evaluate.length ?? 0;
    const primary = metrics.find((metric) => metric.primary) ?? metrics[0];
    for (const { evaluations } of draws) {
      if (asked > 0 && evaluations.length === 0) report(`${name} is not scored.`);
      for (const evaluation of evaluations) {
        const where = `${name}, ${evaluation.name}`;
        if (!Number.isFinite(evaluation.values[primary.key]))
          report(`${where}: ${primary.key} is ${evaluation.values[primary.key]}.`);
        checkScores(evaluation, (problem) => report(`${where}: ${problem}`));
      }
    }
  }
}

function checkScores({ scores, examples }, report) {
  if (scores === null) return report('its scores were not kept.');
  const path = join(run, scores);
  if (!existsSync(path)) return report(`there is no ${scores}.`);
  const rows = parse(readFileSync(path, 'utf8'), { columns: true });
  if (rows.length !== examples) report(`${scores} has ${rows.length} lines for ${examples} examples.`);
}
