import type { GraphNode, NodeId, Program } from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';
import type { Precision } from '../wgsl/numbers.js';
import type { AnchorKernels } from './anchor-kernels.js';
import { anchorKernels } from './anchor-kernels.js';
import type { JoinedParts } from './joined-parts.js';
import { joinedParts } from './joined-parts.js';
import type { Destination, Kernel, KernelPlan } from './kernel.js';
import type { PlanView } from './plan-view.js';
import { viewOf } from './plan-view.js';
import type { PointwiseGroup } from './pointwise-kernels.js';
import { pointwiseKernels } from './pointwise-kernels.js';
import { keysOf } from './readings.js';
import type { RowKernels } from './row-kernels.js';
import { rowKernels } from './row-kernels.js';
import { backwardNodes, halfValues, storedValues } from './stored-values.js';

/**
 * Decides which values get a buffer and which kernels compute them. An elementwise op joins its only
 * reader or, behind a product or a reduction, the kernel before it; views cost nothing.
 *
 * It goes in stages, none of which changes what those before it decided:
 *  1. `viewOf` gives each node its role;
 *  2. `storedValues` says what must be in a buffer: whatever is not can be computed where it is read;
 *  3. `anchorKernels` gives each anchor one kernel, which stores one value in the anchor's place and perhaps some
 *     beside it; from here on no value is computed from more than `mostReadings` buffers, and no other gets one;
 *  4. `rowKernels` lets some of these compute what others would have: their sums and products have no kernel left;
 *  5. `joinedParts` finds the values that are written into the buffer of a `concat` and need none of their own;
 *  6. `pointwiseKernels` groups the stored values that none of the kernels before computes, and drops the buffers
 *     of those that only their group reads.
 * Each value with a buffer is then written by one kernel, or by those of its parts, which come after all that they
 * read.
 * @param mostReadings buffers that one kernel can read
 * @param precision how real numbers are kept, as far as they allow it
 */
export function planKernels(program: Program, mostReadings: number, precision: Precision): KernelPlan {
  const mostBuffers = mostReadings + 1;
  const view = viewOf(program);
  const anchors = anchorKernels(view, storedValues(view), mostReadings);
  const rows = rowKernels(view, anchors, mostBuffers);
  const parts = joinedParts(view, anchors.stored);
  const taken = new Set([...anchors.statistics.keys(), ...rows.sums.keys()]);
  const groups = pointwiseKernels(view, anchors, taken, mostBuffers);
  const kernels = kernelsInOrder(view, anchors, rows, { parts, groups });

  const dropped = new Set([...groups.flatMap(({ inner }) => inner), ...parts.inPlace.keys()]);
  const stored = new Set([...anchors.stored].filter((id) => !dropped.has(id)));
  const backward = backwardNodes(program);
  const halves = precision === 'f16' ? halfValues(program, stored, backward) : new Set<NodeId>();
  const storageOf = (id: NodeId) => (halves.has(id) ? 'f16' : program.nodes[id]!.dtype);
  return { kernels, stored, backward, storageOf };
}

/** The kernels that the stages decided on, each where the node stands that it is named after. */
function kernelsInOrder(
  { nodes, roles, terms }: PlanView,
  { stored, statistics, anchorOf, storedBy, isBeside }: AnchorKernels,
  { sums, products }: RowKernels,
  { parts, groups }: { readonly parts: JoinedParts; readonly groups: readonly PointwiseGroup[] },
): readonly Kernel[] {
  const groupAt = new Map(groups.map(({ outputs }) => [outputs.at(-1)!, outputs]));
  const grouped = new Set(groups.flatMap(({ outputs, inner }) => [...outputs.slice(0, -1), ...inner]));
  const output = (root: NodeId) => ({ root, destination: parts.inPlace.get(root) ?? whole(nodes[root]!) });
  const outputsOf = (anchor: NodeId) => storedBy(anchor).map((root) => ({ ...output(root), anchor }));
  return nodes.flatMap(({ id }): readonly Kernel[] => {
    const role = roles[id]!;
    if (role === 'joined') return parts.copies.get(id) ?? [];
    if (!stored.has(id) || role === 'source') return [];
    if (statistics.has(id) || sums.has(id) || isBeside(id) || grouped.has(id)) return [];
    const anchor = anchorOf(id);
    if (anchor === undefined)
      return [{ anchors: [], terms: [], outputs: (groupAt.get(id) ?? [id]).map(output) }];
    if (products.has(anchor)) return [];
    const all = [anchor, ...keysOf(statistics, anchor), ...keysOf(products, anchor)];
    const outputs = [...keysOf(sums, anchor).map(output), ...all.flatMap(outputsOf)];
    return [{ anchors: all, terms: terms.get(anchor) ?? [], outputs }];
  });
}

/** A buffer of its own. */
function whole({ id, shape }: GraphNode): Destination {
  return { buffer: id, shape: [sizeOf(shape)], strides: [1], offset: 0 };
}
