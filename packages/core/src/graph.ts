/* The program as data: nodes, shapes, tensors that trace, and the builder that collects them. */
export {
  countUses,
  type Graph,
  type GraphNode,
  type NodeId,
  type Program,
  sourcesOf,
} from './graph/graph.js';
export type {
  BinaryFn,
  CompareFn,
  CompositeKind,
  CompositeOp,
  Op,
  OpKind,
  OpOf,
  PrimitiveKind,
  PrimitiveOp,
  ReduceFn,
  SourceOp,
  UnaryFn,
} from './graph/op.js';
export {
  broadcastShapes,
  type DType,
  formatShape,
  type HostData,
  type Shape,
  sameShape,
  sizeOf,
  stridesOf,
} from './graph/shape.js';
export { hashText, structuralHashes } from './graph/structural-key.js';
export { type HostTensor, type HostTensors, hostTensor, type Weights } from './tensor/host-tensor.js';
export { Tensor, type TracedGraph } from './tensor/tensor.js';
export { GraphBuilder } from './tracing/graph-builder.js';
