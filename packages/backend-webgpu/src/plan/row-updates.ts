import type { GraphNode, NodeId } from '@kora-bench/core';
import { sizeOf } from '@kora-bench/core';
import { narrowSide, rowComposites } from './node-roles.js';
import type { Readings } from './readings.js';
import { wayToSource } from './readings.js';
import { throughReshapes } from './through-reshapes.js';

/**
 * Finds sums x = t + u·B of rows, where u is narrow and a row composite is next: its kernel computes x from
 * t, which then need not wait for u.
 * @returns the product u·B, which has no kernel of its own, by the sum
 */
export function rowUpdates(readings: Readings): ReadonlyMap<NodeId, NodeId> {
  const found = new Map<NodeId, NodeId>();
  for (const { id, op, inputs, shape } of readings.nodes) {
    if (op.kind !== 'binary' || op.fn !== 'add' || rowReaderOf(readings, id) === undefined) continue;
    const updates = inputs.map((input) => updateBehind(readings, input, sizeOf(shape)));
    const update = updates[1] ?? updates[0];
    if (update !== undefined) found.set(id, update);
  }
  return found;
}

/** The narrow product of `size` elements behind reshapes that only `id` is computed from, if nobody else reads it. */
export function updateBehind(readings: Readings, id: NodeId, size: number): NodeId | undefined {
  const { nodes, uses } = readings;
  const node = nodes[wayToSource(readings, id).at(-1)!]!;
  const { op, inputs, shape } = node;
  if (op.kind !== 'matmul' || op.transposeA || uses[node.id] !== 1 || sizeOf(shape) !== size)
    return undefined;
  return nodes[inputs[0]!]!.shape.at(-1)! <= narrowSide ? node.id : undefined;
}

/** The first row composite that works on the rows of a value. */
export function rowReaderOf({ nodes, readers }: Readings, id: NodeId): NodeId | undefined {
  const { shape } = nodes[id]!;
  const found: NodeId[] = [];
  const visit = (at: NodeId) => {
    for (const reader of readers[at]!) {
      const { op, inputs } = nodes[reader]!;
      if (op.kind === 'reshape') visit(reader);
      const rows = nodes[inputs[0] ?? id]!.shape;
      if (rowComposites.has(op.kind) && sizeOf(rows) === sizeOf(shape) && rows.at(-1) === shape.at(-1))
        found.push(reader);
    }
  };
  visit(id);
  return found.length === 0 ? undefined : Math.min(...found);
}

/** Whether computing `roots` reads the value `id` in another way than as rows of `anchor`. */
export function isReadElsewhere(
  nodes: readonly GraphNode[],
  stored: ReadonlySet<NodeId>,
  id: NodeId,
  anchor: NodeId,
  roots: readonly NodeId[],
): boolean {
  const seen = new Set<NodeId>();
  const visit = (at: NodeId): boolean => {
    if (seen.has(at)) return false;
    seen.add(at);
    return nodes[at]!.inputs.some((input) => {
      if (input === id) return at !== anchor;
      if (at === anchor && throughReshapes(nodes, stored, input) === id) return false;
      return (!stored.has(input) || input === anchor) && visit(input);
    });
  };
  return roots.some(visit);
}
