export {
  type CkaMatrix,
  CrossCka,
  type CrossCkaResult,
  type LayerBatch,
  LinearCka,
  type LinearCkaResult,
} from './cka.js';
export { ClassificationMetrics, type ClassificationResult, type ExampleScores } from './classification.js';
export type { ConfusionEntry } from './confusion.js';
export { DepthMetrics, type DepthResult, MIN_LOG_DEPTH } from './depth.js';
export { SegmentationMetrics, type SegmentationResult } from './segmentation.js';
export {
  type Interval,
  meanConfidenceInterval,
  sampleMean,
  sampleStandardDeviation,
  wilsonInterval,
} from './statistics.js';
