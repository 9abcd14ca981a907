export { type CkaResult, ckaResultSchema } from './analyses/cka.js';
export { type MergeResult, mergeResultSchema } from './analyses/merge.js';
export { type CellJob, type CellResources, openResources, runCell } from './cell/run-cell.js';
export { loadSuite } from './config/load-suite.js';
export { type RunConfig, type RunConfigInput, runConfigSchema } from './config/run-config.js';
export { jsonSchemas } from './json-schemas.js';
export { missingCells, runCells } from './orchestrator/run-cells.js';
export { planCells } from './plan/plan-cells.js';
export { resolveConfig } from './plan/resolve-config.js';
export type { ProgressView } from './progress/views.js';
export { quietView } from './progress/views.js';
export { readRecords, writeRecord } from './records/record-files.js';
export * from './records/record-schema.js';
export { continueRun, createRun, type RunPlan, readPlan, runPlanSchema } from './records/run-folder.js';
export { lockRun } from './records/run-lock.js';
export { loadRegistry } from './registry/registry.js';
export { runPage } from './report/run-page.js';
export { summarizeRun, summaryText } from './table/run-summary.js';
export { measurePeer, type PeerComparison } from './throughput/measure-peer.js';
export {
  measureThroughput,
  type ThroughputCell,
  throughputCellSchema,
} from './throughput/measure-throughput.js';
export type { ThroughputSpec } from './throughput/training-step.js';
