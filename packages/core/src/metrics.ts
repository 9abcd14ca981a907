/* Streamed scores: classification, segmentation, depth, CKA, statistics. */
export {
  type CkaMatrix,
  CrossCka,
  type CrossCkaResult,
  type LayerBatch,
  LinearCka,
  type LinearCkaResult,
} from './metrics/cka/cka.js';
export {
  ClassificationMetrics,
  type ClassificationResult,
  type ConfusionEntry,
  type ExampleScores,
} from './metrics/classification.js';
export { DepthMetrics, type DepthResult } from './metrics/depth.js';
export { SegmentationMetrics, type SegmentationResult } from './metrics/segmentation.js';
export {
  type Interval,
  type MeanIntervalOptions,
  meanConfidenceInterval,
  sampleMean,
  sampleStandardDeviation,
  wilsonInterval,
} from './metrics/statistics.js';
