import type { GraphNode, NodeId, Shape } from '@kora-bench/core/graph';
import { sizeOf, stridesOf } from '@kora-bench/core/graph';
import type { Destination, Kernel } from './kernel.js';
import type { PlanView } from './plan-view.js';

/** How the parts of each `concat` get into its buffer. */
export interface JoinedParts {
  /** Where the kernels of some values write instead of a buffer of their own. */
  readonly inPlace: ReadonlyMap<NodeId, Destination>;
  /** Kernels for the other parts, by `concat`. */
  readonly copies: ReadonlyMap<NodeId, readonly Kernel[]>;
}

/** A part of a `concat` that nothing else reads is written where it belongs by the kernel that computes it. */
export function joinedParts(view: PlanView, stored: ReadonlySet<NodeId>): JoinedParts {
  const inPlace = new Map<NodeId, Destination>();
  const copies = new Map<NodeId, Kernel[]>();
  for (const { id, op, shape, inputs } of view.nodes) {
    if (op.kind !== 'concat') continue;
    const stride = sizeOf(shape.slice(op.axis));
    let offset = 0;
    const copied: Kernel[] = [];
    for (const root of inputs) {
      const node = view.nodes[root]!;
      const inner = sizeOf(node.shape.slice(op.axis));
      const block: Block = { buffer: id, inner, stride, offset };
      const own = ownKernel(view, stored, node, block);
      if (own !== undefined) inPlace.set(own.root, own.destination);
      else
        copied.push({
          anchors: [],
          terms: [],
          outputs: [{ root, destination: inBlocks(node.shape, block) }],
        });
      offset += inner;
    }
    copies.set(id, copied);
  }
  return { inPlace, copies };
}

/** Element (o, i) of a part goes to `o · stride + offset + i` of the buffer. */
interface Block {
  readonly buffer: NodeId;
  /** Elements of the part from the joined axis on. */
  readonly inner: number;
  /** Elements of the buffer from the joined axis on. */
  readonly stride: number;
  readonly offset: number;
}

function inBlocks(shape: Shape, { buffer, inner, stride, offset }: Block): Destination {
  return { buffer, shape: [sizeOf(shape) / inner, inner], strides: [stride, 1], offset };
}

/** The value whose kernel can write a part in place: the part itself, or what it rearranges. */
function ownKernel(
  { nodes, uses, results, roles }: PlanView,
  stored: ReadonlySet<NodeId>,
  part: GraphNode,
  block: Block,
): { readonly root: NodeId; readonly destination: Destination } | undefined {
  let node = part;
  let turned: { readonly shape: Shape; readonly strides: readonly number[] } | undefined;
  while (uses[node.id] === 1 && !results.has(node.id) && !stored.has(node.id)) {
    const before = nodes[node.inputs[0] ?? -1];
    if (before === undefined) return undefined;
    if (node.op.kind === 'transpose' && turned === undefined) {
      const strides = stridesInBlocks(node.shape, block);
      if (strides === undefined) return undefined;
      const { perm } = node.op;
      turned = { shape: before.shape, strides: before.shape.map((_, axis) => strides[perm.indexOf(axis)]!) };
    } else if (node.op.kind !== 'reshape') return undefined;
    node = before;
  }
  const free = uses[node.id] === 1 && !results.has(node.id) && stored.has(node.id);
  if (!free || (roles[node.id] !== 'anchor' && roles[node.id] !== 'pointwise')) return undefined;
  const { buffer, offset } = block;
  const destination = turned === undefined ? inBlocks(node.shape, block) : { buffer, offset, ...turned };
  return { root: node.id, destination };
}

/** Strides in the buffer of a part's coordinates; none where an axis lies on both sides of the joined one. */
function stridesInBlocks(shape: Shape, { inner, stride }: Block): readonly number[] | undefined {
  const strides = stridesOf(shape);
  const whole = shape.every((extent, axis) => strides[axis]! >= inner || extent * strides[axis]! <= inner);
  return whole ? strides.map((steps) => (steps >= inner ? (steps / inner) * stride : steps)) : undefined;
}
