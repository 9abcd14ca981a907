export { scaledDotProductAttention } from './attention.js';
export { crossEntropy } from './cross-entropy.js';
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
} from './definition.js';
export * from './elementwise.js';
export { gelu } from './gelu.js';
export { layerNorm } from './layer-norm.js';
export { broadcastTo, oneHot, reshape, transpose } from './layout.js';
export { linear } from './linear.js';
export type { MatmulOptions } from './matmul.js';
export { matmul } from './matmul.js';
export type { ReduceOptions } from './reduce.js';
export { max, mean, sum, sumTo } from './reduce.js';
export { compositeKinds, definitionOf } from './registry.js';
export { concat, narrow, pad, slice } from './slicing.js';
export { softmax } from './softmax.js';
export { constant } from './sources.js';
