export * from './autodiff/gradients.js';
export * from './backend/backend.js';
export { ownState, PairedState, type StateStorage } from './backend/paired-state.js';
export * from './backend/runs.js';
export * from './data/image-split.js';
export * from './data/targets.js';
export * from './errors/kora-error.js';
export * from './graph/graph.js';
export * from './graph/op.js';
export * from './graph/shape.js';
export { hashText, structuralHashes } from './graph/structural-key.js';
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
export { DepthMetrics, type DepthResult, MIN_LOG_DEPTH } from './metrics/depth.js';
export { SegmentationMetrics, type SegmentationResult } from './metrics/segmentation.js';
export {
  type Interval,
  meanConfidenceInterval,
  sampleMean,
  sampleStandardDeviation,
  wilsonInterval,
} from './metrics/statistics.js';
export * from './nn/position-embedding.js';
export * from './nn/site.js';
export * from './nn/vit.js';
export * from './nn/vit-config.js';
export { scaledDotProductAttention } from './ops/attention.js';
export { crossEntropy } from './ops/cross-entropy.js';
export type {
  BlockContext,
  BlockRule,
  CompositeDefinition,
  ExampleAxis,
  FollowedOperand,
  GradientContext,
  NarrowContext,
  OpDefinition,
  PrimitiveDefinition,
  StackContext,
  StackedOperand,
  Typed,
} from './ops/definition.js';
export * from './ops/elementwise.js';
export { gelu } from './ops/gelu.js';
export { layerNorm } from './ops/layer-norm.js';
export { broadcastTo, oneHot, reshape, transpose } from './ops/layout.js';
export { linear } from './ops/linear.js';
export { type MatmulOptions, matmul } from './ops/matmul.js';
export { max, mean, type ReduceOptions, sum, sumTo } from './ops/reduce.js';
export { compositeKinds, definitionOf } from './ops/registry.js';
export { concat, narrow, pad, slice } from './ops/slicing.js';
export { softmax } from './ops/softmax.js';
export { constant } from './ops/sources.js';
export { type BatchCut, batchOf, cutBatch, type Place } from './passes/batch-cut.js';
export { type BatchSplit, type BodyInput, type BodyResult, splitBatch } from './passes/batch-split.js';
export { bytesOf, type Cost, nodeCost, peakLiveBytes, programCost } from './passes/cost.js';
export { mergeLinear, narrowEarly } from './passes/forward-rewrites.js';
export {
  type CachedValue,
  exampleAxes,
  type Partition,
  partitionFrozenPrefix,
} from './passes/frozen-prefix.js';
export {
  inputsOf,
  lowerComposites,
  makeProgram,
  nodeOf,
  rewriteGraph,
  rewriteProgram,
  type Visit,
} from './passes/rewrite.js';
export { simplify } from './passes/simplify.js';
export { stackParallel } from './passes/stack-parallel.js';
export * from './peft/blocks.js';
export * from './peft/method.js';
export * from './peft/parameter.js';
export { normalQuantile } from './random/normal-quantile.js';
export { type PhiloxCounter, type PhiloxKey, philox4x32 } from './random/philox.js';
export { type RandomStream, randomStream } from './random/random-stream.js';
export type { SafetensorsDType } from './safetensors/element-types.js';
export {
  parseSafetensorsHeader,
  type SafetensorsEntry,
  type SafetensorsHeader,
  safetensorsHeaderEnd,
} from './safetensors/header.js';
export { decodeSafetensor, readSafetensors, type SafetensorsContent } from './safetensors/read.js';
export { type WriteSafetensorsOptions, writeSafetensors } from './safetensors/write.js';
export * from './tensor/host-tensor.js';
export { Tensor, type TracedGraph } from './tensor/tensor.js';
export { GraphBuilder } from './tracing/graph-builder.js';
export * from './training/losses.js';
export * from './training/metric.js';
export * from './training/model-parameters.js';
export * from './training/optimizer.js';
export * from './training/parameter-layout.js';
export * from './training/programs.js';
export * from './training/protocol.js';
export * from './training/task.js';
export * from './training/trace-model.js';
export * from './training/training-config.js';
