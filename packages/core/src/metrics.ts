/* Streamed scores: classification, segmentation, depth, CKA, statistics. */
export type { CkaMatrix } from './metrics/cka/alignment.js';
export { CrossCka, type CrossCkaResult, LinearCka, type LinearCkaResult } from './metrics/cka/cka.js';
export type { CkaKernel } from './metrics/cka/gram-matrix.js';
export type { LayerBatch } from './metrics/cka/layer-batch.js';
export { MinibatchCka, type MinibatchCkaResult, type MinibatchCkaSpec } from './metrics/cka/minibatch-cka.js';
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
