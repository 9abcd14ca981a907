import type { GraphNode, NodeId } from '@kora-bench/core';
import { sameShape, sizeOf } from '@kora-bench/core';
import type { Role } from './op-roles.js';
import type { Readings } from './readings.js';
import { wayToSource } from './readings.js';

/** A program with what planning asks of it again and again. */
export interface PlanView extends Readings {
  /** Outputs and updates. */
  readonly results: ReadonlySet<NodeId>;
  readonly roles: readonly Role[];
  /** The matrix products of each sum of some. */
  readonly terms: ReadonlyMap<NodeId, readonly NodeId[]>;
}

/** Matrix products that one kernel adds up as it computes them. */
export interface SumsOfProducts {
  /** Per node that is a product or a sum of some: these, in order. */
  readonly terms: ReadonlyMap<NodeId, readonly NodeId[]>;
  /** Nodes that are parts of a sum and have no value of their own. */
  readonly absorbed: ReadonlySet<NodeId>;
}

/** A kernel reads two buffers for each. */
const mostTerms = 3;

/**
 * Finds sums such as x·W + u·B (a frozen layer and its low-rank update) whose parts nobody else reads.
 * @param inline products that are computed where they are read
 */
export function sumsOfProducts(readings: Readings, inline: ReadonlySet<NodeId>): SumsOfProducts {
  const { nodes, uses } = readings;
  const terms = new Map<NodeId, readonly NodeId[]>();
  const absorbed = new Set<NodeId>();
  /** The product behind an operand that is read here only, with the reshapes on the way. */
  const part = (id: NodeId): readonly NodeId[] | undefined => {
    const way = wayToSource(readings, id);
    const last = way.at(-1)!;
    return uses[last] === 1 && terms.has(last) ? way : undefined;
  };
  for (const node of nodes) {
    if (node.op.kind === 'matmul' && !inline.has(node.id)) terms.set(node.id, [node.id]);
    if (node.op.kind !== 'binary' || node.op.fn !== 'add') continue;
    const [left, right] = [part(node.inputs[0]!), part(node.inputs[1]!)];
    if (left === undefined || right === undefined) continue;
    const all = [left, right].flatMap((way) => terms.get(way.at(-1)!)!);
    if (all.length > mostTerms || !sameMatrices(all.map((id) => nodes[id]!))) continue;
    if (sizeOf(node.shape) !== sizeOf(nodes[all[0]!]!.shape)) continue;
    terms.set(node.id, all);
    for (const id of [...left, ...right]) absorbed.add(id);
  }
  for (const id of absorbed) terms.delete(id);
  return { terms, absorbed };
}

function sameMatrices(products: readonly GraphNode[]): boolean {
  const [first, ...others] = products.map(({ shape }) => [sizeOf(shape), ...shape.slice(-2)]);
  return others.every((other) => sameShape(other, first!));
}
