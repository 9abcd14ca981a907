/* Rewriting programs: lowering, simplification, frozen prefixes, parts of a batch, cost. */
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
export { mergeLowRank, type UpdatedProduct } from './passes/merge-low-rank.js';
export {
  inputsOf,
  lowerComposites,
  makeProgram,
  nodeOf,
  rewriteProgram,
  type Visit,
} from './passes/rewrite.js';
export { floatScales, scalarConstant } from './passes/scale-factors.js';
export { simplify } from './passes/simplify.js';
export { stackParallel } from './passes/stack-parallel.js';
export { applyWeightForms, type WeightFormOptions } from './passes/weight-forms.js';
