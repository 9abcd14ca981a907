/* Tasks, metrics, protocols, optimisers, and whole training and evaluation programs. */
export {
  buildLayersProgram,
  type ImageTokens,
  type LayerFeatures,
  type LayersProgram,
  type LayersSpec,
} from './training/layers-program.js';
export { meanSquaredError, scaleInvariantDepthLoss } from './training/losses.js';
export { canMerge, mergeMethod } from './training/merge.js';
export {
  errorMetric,
  formatMetric,
  type Metric,
  type MetricScores,
  primaryMetric,
  shareMetric,
} from './training/metric.js';
export {
  countParameters,
  isTrainable,
  modelParameters,
  type OwnedParameter,
  type ParameterCount,
  type ParameterOwner,
  trainsInStage,
} from './training/model-parameters.js';
export {
  clipByNorm,
  defaultAdamW,
  gradientNorm,
  learningRateAt,
  type OptimizerConfig,
  optimizerFeeds,
  optimizerStates,
  optimizerUpdate,
  type ScheduleConfig,
} from './training/optimizer.js';
export {
  joinFlat,
  type LayoutEntry,
  layoutParameters,
  type ParameterLayout,
  type PlacedParameter,
  packGradients,
  splitFlat,
  unpackParameters,
} from './training/parameter-layout.js';
export {
  buildEvalProgram,
  buildTrainProgram,
  type EvalOutput,
  exampleWeightFeed,
  type TrainProgram,
  type TrainSpec,
} from './training/programs.js';
export {
  defineProtocol,
  type ProtocolContext,
  type ProtocolDefinition,
  type ProtocolDraw,
  type ProtocolEvaluation,
  type ProtocolFinding,
} from './training/protocol.js';
export {
  defineTask,
  type EvaluationBatch,
  type EvaluationResult,
  type Evaluator,
  type TargetFeed,
  type Task,
  type TaskContext,
  type TaskDefinition,
} from './training/task.js';
export {
  imagesFeed,
  type ModelSpec,
  parametersState,
  type TracedModel,
  type TraceOptions,
  traceModel,
} from './training/trace-model.js';
export {
  type Augmentation,
  augmentations,
  type TrainingChanges,
  type TrainingConfig,
  trainingChangesSchema,
  trainingSchema,
} from './training/training-config.js';
