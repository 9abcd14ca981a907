import type { NodeId } from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';
import type { AnchorKernels } from './anchor-kernels.js';
import { isRowOp, narrowSide } from './op-roles.js';
import type { PlanView } from './plan-view.js';
import { kernelReaders, keysOf, leavesOf, rowReaderOf, throughReshapes } from './readings.js';

/** What the kernels of row composites compute beside them. No value is computed by two kernels. */
export interface RowKernels {
  /** The anchor of the kernel that first computes the rows themselves, by their sum t + u·B. */
  readonly sums: ReadonlyMap<NodeId, NodeId>;
  /** The anchor of the kernel whose rows are multiplied by a narrow matrix, by that product. */
  readonly products: ReadonlyMap<NodeId, NodeId>;
}

/**
 * Gives the kernels of row composites what adapters compute right in front of them and right behind them.
 * @param mostBuffers that one kernel can use
 */
export function rowKernels(view: PlanView, anchors: AnchorKernels, mostBuffers: number): RowKernels {
  const sums = sumsOfRows(view, anchors, mostBuffers);
  const storedBy = (anchor: NodeId) => [...keysOf(sums, anchor), ...anchors.storedBy(anchor)];
  return { sums, products: productsOfRows(view, { ...anchors, storedBy }, mostBuffers) };
}

/**
 * Finds which sums in front of row composites can be computed by the kernels of these: where all others that
 * read the sum come later, and the kernel itself reads it row by row.
 * @returns the anchor of the row kernel, by sum
 */
function sumsOfRows(
  view: PlanView,
  { stored, storedBy }: AnchorKernels,
  mostBuffers: number,
): ReadonlyMap<NodeId, NodeId> {
  const found = new Map<NodeId, NodeId>();
  const taken = new Set<NodeId>();
  for (const sum of view.updates.keys()) {
    const anchor = rowReaderOf(view, sum);
    if (anchor === undefined || taken.has(anchor) || !stored.has(sum)) continue;
    const own = storedBy(anchor);
    const isEarly = (reader: NodeId) => !own.includes(reader) && reader < own[0]!;
    if (kernelReaders(view, stored, sum).some(isEarly)) continue;
    if (isReadElsewhere(view, stored, sum, { anchor, roots: own })) continue;
    const written = [sum, ...own];
    const read = [...leavesOf(view, stored, written)].filter((id) => !written.includes(id));
    if (read.length + written.length > mostBuffers) continue;
    found.set(sum, anchor);
    taken.add(anchor);
  }
  return found;
}

/** Whether computing the roots of a kernel reads the value `id` in another way than as rows of its anchor. */
function isReadElsewhere(
  { nodes }: PlanView,
  stored: ReadonlySet<NodeId>,
  id: NodeId,
  { anchor, roots }: { readonly anchor: NodeId; readonly roots: readonly NodeId[] },
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
 * Finds products of a row kernel's result and a narrow matrix that is there before the program starts, such
 * as x·A behind a layer norm, and dy·B behind the adjoint of one: that kernel has the rows at hand.
 * @returns the anchor of the row kernel, by product
 */
function productsOfRows(
  view: PlanView,
  { stored, anchorOf, storedBy }: AnchorKernels,
  mostBuffers: number,
): ReadonlyMap<NodeId, NodeId> {
  const { nodes, roles, terms } = view;
  const found = new Map<NodeId, NodeId>();
  for (const { id: product, op, inputs, shape } of nodes) {
    if (op.kind !== 'matmul' || op.transposeA || terms.get(product)?.length !== 1) continue;
    const [left, right] = [nodes[inputs[0]!]!, nodes[inputs[1]!]!];
    const rows = throughReshapes(nodes, stored, left.id);
    const anchor = anchorOf(rows);
    if (anchor === undefined || !isRowOp(nodes[anchor]!.op)) continue;
    const length = nodes[nodes[anchor]!.inputs[0]!]!.shape.at(-1);
    const isRow = left.shape.at(-1) === length && sizeOf(left.shape) === sizeOf(nodes[anchor]!.shape);
    const isNarrow = shape.at(-1)! <= narrowSide && sizeOf(right.shape) === length! * shape.at(-1)!;
    if (!isRow || !isNarrow || !stored.has(rows)) continue;
    const known = [...leavesOf(view, stored, storedBy(product))];
    if (known.some((id) => id !== rows && roles[id] !== 'source')) continue;
    const together = [anchor, ...keysOf(found, anchor), product];
    const written = together.flatMap(storedBy);
    const read = [...leavesOf(view, stored, written)].filter((id) => !written.includes(id));
    if (read.length + written.length <= mostBuffers) found.set(product, anchor);
  }
  return found;
}
