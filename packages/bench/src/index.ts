export { type RunConfig, type RunConfigInput, runConfigSchema } from './config/run-config.js';
export { planCells } from './orchestrator/plan-cells.js';
export { readRecords } from './records/read-records.js';
export * from './records/record-schema.js';
export { type RunPlan, readPlan, runPlanSchema } from './records/run-plan.js';
export { writeRecord } from './records/write-record.js';
