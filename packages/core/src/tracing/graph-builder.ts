import { InternalError, ShapeError } from '../errors/kora-error.js';
import type { GraphNode, NodeId } from '../graph/graph.js';
import type { Op } from '../graph/op.js';
import type { DType, Shape } from '../graph/shape.js';
import { formatShape, sameShape } from '../graph/shape.js';
import { sameOp, structuralKey } from '../graph/structural-key.js';
import { definitionOf } from '../ops/registry.js';
import { callerLine } from '../ops/requirements.js';
import type { TracedGraph } from '../tensor/tensor.js';
import { Tensor } from '../tensor/tensor.js';

/**
 * Collects the nodes of one graph. Equal expressions become one node (hash-consing), so building or
 * rebuilding a graph through a builder eliminates common subexpressions.
 */
export class GraphBuilder implements TracedGraph {
  readonly nodes: GraphNode[] = [];
  readonly #known = new Map<string, NodeId>();
  #scope = '';

  feed(name: string, shape: Shape, dtype: DType = 'f32'): Tensor {
    return this.#source({ kind: 'feed', name }, shape, dtype);
  }

  frozen(name: string, shape: Shape, dtype: DType = 'f32'): Tensor {
    return this.#source({ kind: 'frozen', name }, shape, dtype);
  }

  state(name: string, shape: Shape): Tensor {
    return this.#source({ kind: 'state', name }, shape, 'f32');
  }

  withScope<T>(name: string, body: () => T): T {
    return this.withinScope(this.#scope === '' ? name : `${this.#scope}.${name}`, body);
  }

  withinScope<T>(scope: string, body: () => T): T {
    const outer = this.#scope;
    this.#scope = scope;
    try {
      return body();
    } finally {
      this.#scope = outer;
    }
  }

  emit(op: Op, inputs: readonly Tensor[], scope: string = this.#scope): Tensor {
    for (const input of inputs) {
      if (input.builder !== this) {
        throw new InternalError(`An input of ${op.kind} belongs to another graph.`, {
          where: callerLine(),
          fix: 'Build all operands of an op with the same GraphBuilder.',
        });
      }
    }
    let key = structuralKey(
      op,
      inputs.map((input) => input.id),
    );
    for (let known = this.#known.get(key); known !== undefined; known = this.#known.get(key)) {
      if (sameOp(op, this.node(known).op)) return new Tensor(this, known);
      key += '+';
    }
    const { shape, dtype } = definitionOf(op).infer(op, inputs);
    return this.#add(key, { op, inputs: inputs.map((input) => input.id), shape, dtype, scope });
  }

  node(id: NodeId): GraphNode {
    const node = this.nodes[id];
    if (node === undefined) throw new InternalError(`There is no node ${id}.`);
    return node;
  }

  #source(op: Op & { name: string }, shape: Shape, dtype: DType): Tensor {
    checkExtents(shape, `${op.kind} "${op.name}"`);
    const key = `${op.kind}:${op.name}`;
    const known = this.#known.get(key);
    if (known !== undefined) {
      const node = this.node(known);
      if (!sameShape(node.shape, shape) || node.dtype !== dtype) {
        throw new ShapeError(`The ${op.kind} "${op.name}" is declared twice with different shapes.`, {
          expected: `${node.dtype} ${formatShape(node.shape)}`,
          received: `${dtype} ${formatShape(shape)}`,
          where: callerLine(),
        });
      }
      return new Tensor(this, known);
    }
    return this.#add(key, { op, inputs: [], shape: [...shape], dtype, scope: this.#scope });
  }

  #add(key: string, node: Omit<GraphNode, 'id'>): Tensor {
    checkExtents(node.shape, node.op.kind);
    const id = this.nodes.length;
    this.nodes.push({ id, ...node });
    this.#known.set(key, id);
    return new Tensor(this, id);
  }
}

function checkExtents(shape: Shape, what: string): void {
  for (const extent of shape) {
    if (!Number.isInteger(extent) || extent < 1) {
      throw new ShapeError(`${what} has the impossible shape ${formatShape(shape)}.`, {
        expected: 'extents of at least 1 (empty tensors are not supported)',
        received: formatShape(shape),
        where: callerLine(),
        fix: 'Skip the computation where it has nothing to work on.',
      });
    }
  }
}
