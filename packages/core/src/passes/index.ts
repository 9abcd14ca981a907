export { hashText, structuralHashes } from '../graph/structural-key.js';
export type { BatchCut, Place } from './batch-cut.js';
export { batchOf, cutBatch } from './batch-cut.js';
export type { BatchSplit, BodyInput, BodyResult } from './batch-split.js';
export { splitBatch } from './batch-split.js';
export type { Cost } from './cost.js';
export { bytesOf, nodeCost, peakLiveBytes, programCost } from './cost.js';
export { mergeLinear, narrowEarly } from './forward-rewrites.js';
export type { CachedValue, Partition } from './frozen-prefix.js';
export { exampleAxes, partitionFrozenPrefix } from './frozen-prefix.js';
export type { Visit } from './rewrite.js';
export {
  inputsOf,
  lowerComposites,
  makeProgram,
  nodeOf,
  rewriteGraph,
  rewriteProgram,
} from './rewrite.js';
export { simplify } from './simplify.js';
export { stackParallel } from './stack-parallel.js';
