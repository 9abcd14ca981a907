export {
  exampleWeights,
  type FixedBatch,
  type FixedBatchesSpec,
  firstBatch,
  fixedBatches,
  inOrder,
} from './batches.js';
export {
  type EvaluateSpec,
  type Evaluation,
  evaluate,
  evaluateBatches,
  type PredictedBatch,
  predict,
} from './evaluate.js';
export { type FineTuned, type FineTuneSpec, fineTune } from './fine-tune.js';
export {
  createMemoryTable,
  type FeatureCost,
  type FeatureStore,
  type FeatureTable,
  type FeatureWriter,
  type KeptFeatures,
  type KeptFeaturesSpec,
  keptFeatures,
  memoryFeatures,
  type TableShape,
  tableInMemory,
  tableMemory,
  worthwhilePrefix,
} from './kept-features.js';
export type {
  StepBatch,
  StepOutput,
  TrainingEnded,
  TrainingEpoch,
  TrainingStarted,
  TrainingStep,
  TrainObserver,
} from './observers.js';
export { PassProgress, type ProgressEvent, type ReportProgress } from './progress.js';
export { initialState, openSession, type Session, type SessionSpec, withSession } from './session.js';
export { type SiteInputsSpec, siteInputsOf } from './site-inputs.js';
export { finalStage } from './stages.js';
export { type TrainerContext, type TrainResult, type TrainSpec, train } from './train.js';
export type { OwnBatches, SplitData, TrainData } from './train-data.js';
export { classPart, plannedStages, type TrainMethodSpec, trainMethod } from './train-method.js';
export {
  initialCheckpoint,
  initializeMethod,
  type SiteInputs,
  startWeights,
  trainedWeights,
  WeightStore,
} from './weights.js';
