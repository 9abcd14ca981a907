import type { NodeId } from '@kora-bench/core';
import { kernelReaders } from './group-pointwise.js';
import type { PlanView } from './plan-view.js';
import type { PlannedAnchors } from './row-products.js';
import { leaves } from './row-products.js';
import { isReadElsewhere, rowReaderOf } from './row-updates.js';

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
