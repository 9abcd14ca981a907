import type { NodeId } from '@kora-bench/core';
import { sizeOf } from '@kora-bench/core';
import { keysOf } from './keys-of.js';
import { isLiteral, narrowSide, rowComposites } from './node-roles.js';
import type { PlanView } from './plan-view.js';
import { throughReshapes } from './through-reshapes.js';

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

/** The stored values that computing `roots` reads. */
export function leaves(
  { nodes }: PlanView,
  stored: ReadonlySet<NodeId>,
  roots: readonly NodeId[],
): ReadonlySet<NodeId> {
  const read = new Set<NodeId>();
  const seen = new Set<NodeId>();
  const visit = (id: NodeId) => {
    if (seen.has(id)) return;
    seen.add(id);
    for (const input of nodes[id]!.inputs) {
      if (!stored.has(input)) visit(input);
      else if (!isLiteral(nodes[input]!)) read.add(input);
    }
  };
  for (const root of roots) visit(root);
  return read;
}
