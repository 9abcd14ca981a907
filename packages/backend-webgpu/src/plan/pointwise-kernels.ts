import type { NodeId } from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';
import type { AnchorKernels } from './anchor-kernels.js';
import { isLiteral, isView } from './op-roles.js';
import type { PlanView } from './plan-view.js';
import { kernelReaders } from './readings.js';

/** Elementwise kernels that one kernel does the work of. */
export interface PointwiseGroup {
  /** What it stores, in order; the group runs where the last of them would. */
  readonly outputs: readonly NodeId[];
  /** What nobody else reads, and needs no buffer. */
  readonly inner: readonly NodeId[];
}

/**
 * Groups the kernels that only do elementwise ops, where they need each other's elements at the same index, as the
 * moments and the parameters of an optimiser do: as one, they read what they have in common once.
 * @param taken values that other kernels compute
 * @param mostBuffers that one kernel can read and write
 */
export function pointwiseKernels(
  view: PlanView,
  { stored, anchorOf, isBeside }: AnchorKernels,
  taken: ReadonlySet<NodeId>,
  mostBuffers: number,
): readonly PointwiseGroup[] {
  const isAlone = (id: NodeId) =>
    stored.has(id) &&
    view.roles[id] === 'pointwise' &&
    anchorOf(id) === undefined &&
    !isBeside(id) &&
    !taken.has(id);
  const alone = view.nodes.map(({ id }) => id).filter(isAlone);
  const groupOf = new Map<NodeId, Group>();
  const readersOf = (id: NodeId) => kernelReaders(view, stored, id);
  for (const id of alone) {
    const { reads, together } = readsOf(view, stored, id);
    let group: Group = { members: new Set([id]), reads };
    groupOf.set(id, group);
    for (const other of together) {
      const before = groupOf.get(other);
      if (before === undefined || before === group) continue;
      const merged = merge(before, group);
      const { outputs } = split(view, merged, readersOf);
      // The group moves to its last member, behind which all that reads the others must be.
      const between = outputs.some((member) =>
        readersOf(member).some((reader) => reader < id && !merged.members.has(reader)),
      );
      if (between || merged.reads.size + outputs.length > mostBuffers) continue;
      group = merged;
      for (const member of group.members) groupOf.set(member, group);
    }
  }
  const groups = [...new Set(groupOf.values())].filter(({ members }) => members.size > 1);
  return groups.map((group) => split(view, group, readersOf));
}

interface Group {
  readonly members: ReadonlySet<NodeId>;
  /** Stored values that they read and do not compute. */
  readonly reads: ReadonlySet<NodeId>;
}

function merge(before: Group, after: Group): Group {
  const members = new Set([...before.members, ...after.members]);
  const reads = new Set([...before.reads, ...after.reads].filter((id) => !members.has(id)));
  return { members, reads };
}

function split(
  { results }: PlanView,
  { members }: Group,
  readersOf: (id: NodeId) => readonly NodeId[],
): PointwiseGroup {
  const isInner = (id: NodeId) => !results.has(id) && readersOf(id).every((reader) => members.has(reader));
  const sorted = [...members].sort((a, b) => a - b);
  return { outputs: sorted.filter((id) => !isInner(id)), inner: sorted.filter(isInner) };
}

/** The stored values behind `root`, and those of its size that it reads only at the index that it computes. */
function readsOf(
  { nodes }: PlanView,
  stored: ReadonlySet<NodeId>,
  root: NodeId,
): { readonly reads: ReadonlySet<NodeId>; readonly together: readonly NodeId[] } {
  const size = sizeOf(nodes[root]!.shape);
  const reads = new Set<NodeId>();
  const elsewhere = new Set<NodeId>();
  const seen = new Set<string>();
  const visit = (id: NodeId, sameIndex: boolean) => {
    const key = `${id} ${sameIndex}`;
    if (seen.has(key)) return;
    seen.add(key);
    const node = nodes[id]!;
    const { op, inputs, shape } = node;
    const same = sameIndex && sizeOf(shape) === size;
    if (id === root || !stored.has(id)) {
      const moves = op.kind === 'matmul' || (isView(op) && op.kind !== 'reshape');
      for (const input of inputs) visit(input, same && !moves);
    } else if (!isLiteral(node)) {
      reads.add(id);
      if (!same) elsewhere.add(id);
    }
  };
  visit(root, true);
  return { reads, together: [...reads].filter((id) => !elsewhere.has(id)) };
}
