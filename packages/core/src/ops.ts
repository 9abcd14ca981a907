/* The functions that build ops, and what is known of each op. */
export { scaledDotProductAttention } from './ops/attention.js';
export { blockDiagonal } from './ops/block-diagonal.js';
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
export {
  abs,
  add,
  cast,
  div,
  equal,
  erf,
  exp,
  greater,
  less,
  log,
  maximum,
  minimum,
  mul,
  neg,
  type Operand,
  pow,
  reciprocal,
  sign,
  sqrt,
  sub,
  tanh,
  where,
} from './ops/elementwise.js';
export { gelu } from './ops/gelu.js';
export { layerNorm, standardize } from './ops/layer-norm.js';
export { broadcastTo, oneHot, reshape, transpose } from './ops/layout.js';
export { linear } from './ops/linear.js';
export { type MatmulOptions, matmul } from './ops/matmul.js';
export { max, mean, type ReduceOptions, sum } from './ops/reduce.js';
export { compositeKinds, definitionOf } from './ops/registry.js';
export { concat, narrow, pad, slice } from './ops/slicing.js';
export { softmax } from './ops/softmax.js';
export { constant } from './ops/sources.js';
export { stopGradient } from './ops/stop-gradient.js';
