import type { GraphNode, NodeId } from '@kora-bench/core';
import { sizeOf } from '@kora-bench/core';
import { narrowSide, rowComposites } from './op-roles.js';
import type { PlanView } from './plan-view.js';
import type { Readings } from './readings.js';
import { kernelReaders, keysOf, leaves, throughReshapes, wayToSource } from './readings.js';

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

/**
 * Finds which sums in front of row composites can be computed by the kernels of these: where all others that
 * read the sum come later, and the kernel itself reads it row by row.
 * @param sums see `rowUpdates`
 * @param mostBuffers that one kernel can use
 * @returns the anchor of the row kernel, by sum
 */
export function rowOperands(
  view: PlanView,
  sums: Iterable<NodeId>,
  { stored, storedBy }: PlannedAnchors,
  mostBuffers: number,
): ReadonlyMap<NodeId, NodeId> {
  const found = new Map<NodeId, NodeId>();
  const taken = new Set<NodeId>();
  for (const sum of sums) {
    const anchor = rowReaderOf(view, sum);
    if (anchor === undefined || taken.has(anchor) || !stored.has(sum)) continue;
    const own = storedBy(anchor);
    const isEarly = (reader: NodeId) => !own.includes(reader) && reader < own[0]!;
    if (kernelReaders(view, stored, sum).some(isEarly)) continue;
    if (isReadElsewhere(view.nodes, stored, sum, anchor, own)) continue;
    const written = [sum, ...own];
    const read = [...leaves(view, stored, written)].filter((id) => !written.includes(id));
    if (read.length + written.length > mostBuffers) continue;
    found.set(sum, anchor);
    taken.add(anchor);
  }
  return found;
}

/** What is planned before: which kernels store what. */
export interface PlannedAnchors {
  readonly stored: ReadonlySet<NodeId>;
  /** The anchor whose kernel stores a value in its place. */
  anchorOf(value: NodeId): NodeId | undefined;
  /** What the kernel of an anchor stores: the value in its place, and what is computed from that alone. */
  storedBy(anchor: NodeId): readonly NodeId[];
}

/**
 * Finds products of a row kernel's result and a narrow matrix that is there before the program starts, such
 * as x·A behind a layer norm, and dy·B behind the adjoint of one: that kernel has the rows at hand.
 * @param mostBuffers that one kernel can use
 * @returns the anchor of the row kernel, by product
 */
export function rowProducts(
  view: PlanView,
  { stored, anchorOf, storedBy }: PlannedAnchors,
  mostBuffers: number,
): ReadonlyMap<NodeId, NodeId> {
  const { nodes, roles, terms } = view;
  const found = new Map<NodeId, NodeId>();
  for (const { id: product, op, inputs, shape } of nodes) {
    if (op.kind !== 'matmul' || op.transposeA || terms.get(product)?.length !== 1) continue;
    const [left, right] = [nodes[inputs[0]!]!, nodes[inputs[1]!]!];
    const rows = throughReshapes(nodes, stored, left.id);
    const anchor = anchorOf(rows);
    if (anchor === undefined || !rowComposites.has(nodes[anchor]!.op.kind)) continue;
    const length = nodes[nodes[anchor]!.inputs[0]!]!.shape.at(-1);
    const isRow = left.shape.at(-1) === length && sizeOf(left.shape) === sizeOf(nodes[anchor]!.shape);
    const isNarrow = shape.at(-1)! <= narrowSide && sizeOf(right.shape) === length! * shape.at(-1)!;
    if (!isRow || !isNarrow || !stored.has(rows)) continue;
    const known = [...leaves(view, stored, storedBy(product))];
    if (known.some((id) => id !== rows && roles[id] !== 'source')) continue;
    const together = [anchor, ...keysOf(found, anchor), product];
    const written = together.flatMap(storedBy);
    const read = [...leaves(view, stored, written)].filter((id) => !written.includes(id));
    if (read.length + written.length <= mostBuffers) found.set(product, anchor);
  }
  return found;
}
