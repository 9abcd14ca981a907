import type { Graph, GraphNode, NodeId } from '../graph/graph.js';
import type { Op } from '../graph/op.js';
import type { DType, Shape } from '../graph/shape.js';

/**
 * A graph under construction, as its tensors know it; `GraphBuilder` makes one. The two are told apart so
 * that ops, which a builder asks for their shapes, need not know how graphs are built.
 */
export interface TracedGraph extends Graph {
  /** A value given anew at each call, e.g. a batch of images. */
  feed(name: string, shape: Shape, dtype?: DType): Tensor;
  /** A weight or table that never changes; its value is given when the program is compiled. */
  frozen(name: string, shape: Shape, dtype?: DType): Tensor;
  /** Real numbers that live on the device between calls and may be updated by the program. */
  state(name: string, shape: Shape): Tensor;
  /** Runs `body` with `name` added to the scope of every node it builds. */
  withScope<T>(name: string, body: () => T): T;
  /** Runs `body` with exactly `scope` as the scope of every node it builds. */
  withinScope<T>(scope: string, body: () => T): T;
  /**
   * Adds `op` applied to `inputs`, or finds the equal node that exists.
   * @throws ShapeError | DTypeError naming the caller's line.
   */
  emit(op: Op, inputs: readonly Tensor[], scope?: string): Tensor;
  /** @throws InternalError where there is none of this id */
  node(id: NodeId): GraphNode;
}

/** A handle on one value of a graph under construction. It holds no numbers. */
export class Tensor {
  constructor(
    readonly builder: TracedGraph,
    readonly id: NodeId,
  ) {}

  get shape(): Shape {
    return this.builder.node(this.id).shape;
  }

  get dtype(): DType {
    return this.builder.node(this.id).dtype;
  }

  get rank(): number {
    return this.shape.length;
  }
}
