export * from './ab/ab-measurements.js';
export { type AbOptions, compareAb } from './ab/compare-ab.js';
export { type CkaResult, ckaResultSchema } from './analyses/cka-schema.js';
export { type MergeResult, mergeResultSchema } from './analyses/merge.js';
export { type CellJob, type CellResources, openResources, runCell } from './cell/run-cell.js';
export { type CompareOptions, compareRuns } from './compare/compare-runs.js';
export { type Confirmation, type ConfirmSettings, confirmWorse } from './compare/confirm.js';
export type {
  CellPair,
  ComparisonRow,
  NoiseOf,
  Refusal,
  RunComparison,
  UnmatchedCell,
} from './compare/run-comparison.js';
export { type ComparedSide, readSide } from './compare/sources.js';
export { type CompressOptions, type CompressView, compressRun } from './compressibility/compress-run.js';
export { compressibilityPage } from './compressibility/compressibility-page.js';
export {
  type Compressibility,
  compressibilitySchema,
  type MeasuredCell,
} from './compressibility/compressibility-schema.js';
export { compressibilityText } from './compressibility/compressibility-text.js';
export { loadSuite } from './config/load-suite.js';
export { type RunConfig, type RunConfigInput, runConfigSchema } from './config/run-config.js';
export { checkSpace, estimateText, type RunEstimate } from './estimate/estimate-run.js';
export { type Exported, type ExportTarget, exportModel } from './export/export-model.js';
export {
  type ChosenTrained,
  chooseTrained,
  openTrainedModel,
  type TrainedModel,
  type TrainedModelChoice,
} from './export/open-trained-cell.js';
export { noiseOfHistory } from './history/history-cells.js';
export {
  type DamagedLine,
  type History,
  readHistory,
  type StoredSeries,
} from './history/history-files.js';
export { type ListedMeasure, type ListedSeries, listHistory } from './history/history-list.js';
export * from './history/history-schema.js';
export { jsonSchemas } from './json-schemas.js';
export type { ComparedCell, SettingsReading } from './measures/compared-cell.js';
export { type Measure, type MeasureKind, measuresOf, measureText } from './measures/measures.js';
export { type Testbed, testbedOf } from './measures/testbed.js';
export {
  type Ablation,
  type AblationEffect,
  ablationsOf,
  ablationText,
  type MainEffect,
  mainEffects,
} from './method-comparison/ablations.js';
export {
  compareMethods,
  type MethodComparison,
  type PredictionComparison,
  type RunMethodComparisons,
} from './method-comparison/compare-methods.js';
export { methodComparisonText } from './method-comparison/method-comparison-text.js';
export { missingCells, runCells } from './orchestrator/run-cells.js';
export { Watchdog } from './orchestrator/watchdog.js';
export { planCells } from './plan/plan-cells.js';
export { checkData, resolveConfig } from './plan/resolve-config.js';
export { type Expectation, RunClock } from './progress/run-clock.js';
export type { ProgressView } from './progress/views.js';
export { quietView } from './progress/views.js';
export * from './records/phase-record-schema.js';
export { readRecords, writeRecord } from './records/record-files.js';
export * from './records/record-schema.js';
export {
  continueRun,
  createRun,
  makeRunFolder,
  type RunPlan,
  readPlan,
  runPlanSchema,
} from './records/run-folder.js';
export { lockRun } from './records/run-lock.js';
export { loadRegistry } from './registry/registry.js';
export { formatReport, type ReportFormat } from './report/formats.js';
export { runPage } from './report/run-page.js';
export { summarizeRun, summaryText } from './table/run-summary.js';
export { measurePeer, type PeerComparison } from './throughput/measure-peer.js';
export {
  measureThroughput,
  type ThroughputCell,
  throughputCellSchema,
} from './throughput/measure-throughput.js';
export type { ThroughputSpec } from './throughput/training-step.js';
