import type { NodeId } from '../graph/graph.js';
import type { GraphBuilder } from '../graph/graph-builder.js';
import type { DType, Shape } from '../graph/shape.js';

/** A handle on one value of a graph under construction. It holds no numbers. */
export class Tensor {
  constructor(
    readonly builder: GraphBuilder,
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
