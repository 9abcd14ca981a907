import type { GraphNode, NodeId, Program } from '@kora-bench/core/graph';
import { sameShape, sizeOf } from '@kora-bench/core/graph';
import type { Role } from './op-roles.js';
import { roleOf } from './op-roles.js';
import type { Readings } from './readings.js';
import { readingsOf, rowReaderOf, updateBehind, wayToSource } from './readings.js';

/** A program with the role of each node: what planning starts from, and never changes. */
export interface PlanView extends Readings {
  /** Outputs and updates. */
  readonly results: ReadonlySet<NodeId>;
  readonly roles: readonly Role[];
  /**
   * The matrix products of each product or sum of some, in order. All have results of one size, and none has
   * another reader than the sum.
   */
  readonly terms: ReadonlyMap<NodeId, readonly NodeId[]>;
  /** The narrow product u·B of each sum t + u·B in front of a row composite: it has no kernel of its own. */
  readonly updates: ReadonlyMap<NodeId, NodeId>;
}

/** Finds out how each node of a program takes part in kernels. */
export function viewOf(program: Program): PlanView {
  const readings = readingsOf(program);
  const updates = rowUpdates(readings);
  const inline = new Set(updates.values());
  const { terms, absorbed } = sumsOfProducts(readings, inline);
  const roleHere = ({ id, op }: GraphNode): Role => {
    if (absorbed.has(id)) return 'absorbed';
    if (inline.has(id)) return 'inline';
    return terms.has(id) ? 'anchor' : roleOf(op);
  };
  return {
    ...readings,
    results: new Set([...program.outputs.values(), ...program.updates.values()]),
    roles: program.nodes.map(roleHere),
    terms,
    updates,
  };
}

/**
 * Finds sums x = t + u·B of rows, where u is narrow and a row composite is next: its kernel computes x from
 * t, which then need not wait for u.
 * @returns the product u·B, by the sum
 */
function rowUpdates(readings: Readings): ReadonlyMap<NodeId, NodeId> {
  const found = new Map<NodeId, NodeId>();
  for (const { id, op, inputs, shape } of readings.nodes) {
    if (op.kind !== 'binary' || op.fn !== 'add' || rowReaderOf(readings, id) === undefined) continue;
    const updates = inputs.map((input) => updateBehind(readings, input, sizeOf(shape)));
    const update = updates[1] ?? updates[0];
    if (update !== undefined) found.set(id, update);
  }
  return found;
}

/** Matrix products that one kernel adds up as it computes them. */
interface SumsOfProducts {
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
function sumsOfProducts(readings: Readings, inline: ReadonlySet<NodeId>): SumsOfProducts {
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
