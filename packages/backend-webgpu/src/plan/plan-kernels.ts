import type { GraphNode, NodeId, Program } from '@kora-bench/core';
import { countUses, sizeOf } from '@kora-bench/core';
import { roleOf } from './node-roles.js';

/** Where a kernel writes: element (o, i) of its root goes to `o · stride + offset + i` of the buffer. */
export interface Destination {
  readonly buffer: NodeId;
  /** Elements of the root from the joined axis on. */
  readonly inner: number;
  /** Elements of the buffer from the joined axis on. */
  readonly stride: number;
  readonly offset: number;
}

/** One dispatch: computes all elements of `root`. */
export interface Kernel {
  readonly root: NodeId;
  /** The matrix product or reduction in it, whose result the elementwise ops up to `root` read in registers. */
  readonly anchor?: NodeId;
  readonly destination: Destination;
}

export interface KernelPlan {
  /** In an order to run in. */
  readonly kernels: readonly Kernel[];
  /** Nodes with a buffer of their own. */
  readonly stored: ReadonlySet<NodeId>;
}

/**
 * Decides which values get a buffer and which kernels compute them. An elementwise op joins its only
 * reader or, behind a product or a reduction, the kernel before it; views cost nothing.
 * @param mostReadings buffers that one kernel can read
 */
export function planKernels(program: Program, mostReadings: number): KernelPlan {
  const { nodes } = program;
  const uses = countUses(program);
  const results = new Set([...program.outputs.values(), ...program.updates.values()]);
  const readers: NodeId[][] = nodes.map(() => []);
  for (const { id, inputs } of nodes) for (const input of inputs) readers[input]!.push(id);

  const stored = storedValues(program, readers, results);
  const joins = joinAnchors(program, readers, uses, results, stored);
  limitReadings(program, stored, joins, mostReadings);
  const parts = joinedParts(program, uses, results, stored);

  const kernels = nodes.flatMap((node): Kernel[] => {
    const { id, op } = node;
    const role = roleOf(op);
    if (role === 'joined') return parts.copies.get(id) ?? [];
    if (!stored.has(id) || role === 'source') return [];
    const anchor = role === 'anchor' ? id : joins.anchors.get(id);
    const destination = parts.inPlace.get(id) ?? whole(node);
    return [{ root: id, ...(anchor !== undefined && { anchor }), destination }];
  });
  for (const id of parts.inPlace.keys()) stored.delete(id);
  return { kernels, stored };
}

function whole({ id, shape }: GraphNode): Destination {
  const size = sizeOf(shape);
  return { buffer: id, inner: size, stride: size, offset: 0 };
}

interface JoinedParts {
  /** Where the kernels of some values write instead of a buffer of their own. */
  readonly inPlace: ReadonlyMap<NodeId, Destination>;
  /** Kernels for the other parts, by `concat`. */
  readonly copies: ReadonlyMap<NodeId, Kernel[]>;
}

/** A part of a `concat` that nothing else reads is written where it belongs by the kernel that computes it. */
function joinedParts(
  { nodes }: Program,
  uses: Uint32Array,
  results: ReadonlySet<NodeId>,
  stored: ReadonlySet<NodeId>,
): JoinedParts {
  const inPlace = new Map<NodeId, Destination>();
  const copies = new Map<NodeId, Kernel[]>();
  const ownKernel = (part: NodeId): NodeId | undefined => {
    let id = part;
    while (uses[id] === 1 && !results.has(id) && nodes[id]!.op.kind === 'reshape' && !stored.has(id))
      id = nodes[id]!.inputs[0]!;
    const role = roleOf(nodes[id]!.op);
    const free = uses[id] === 1 && !results.has(id) && stored.has(id);
    return free && (role === 'anchor' || role === 'pointwise') ? id : undefined;
  };
  for (const { id, op, shape, inputs } of nodes) {
    if (op.kind !== 'concat') continue;
    const stride = sizeOf(shape.slice(op.axis));
    let offset = 0;
    const copied: Kernel[] = [];
    for (const root of inputs) {
      const inner = sizeOf(nodes[root]!.shape.slice(op.axis));
      const destination = { buffer: id, inner, stride, offset };
      const own = ownKernel(root);
      if (own === undefined) copied.push({ root, destination });
      else inPlace.set(own, destination);
      offset += inner;
    }
    copies.set(id, copied);
  }
  return { inPlace, copies };
}

/** Sources, anchors and joined values, results, and what would otherwise be computed more than once. */
function storedValues(
  { nodes }: Program,
  readers: readonly (readonly NodeId[])[],
  results: ReadonlySet<NodeId>,
): Set<NodeId> {
  const stored = new Set<NodeId>();
  /** How often an element is computed, and whether the ops behind want it in memory. */
  const evaluations = new Float64Array(nodes.length);
  const wanted = new Uint8Array(nodes.length);
  for (let id = nodes.length - 1; id >= 0; id--) {
    const node = nodes[id]!;
    const role = roleOf(node.op);
    const size = sizeOf(node.shape);
    for (const reader of readers[id]!) {
      const { op, shape } = nodes[reader]!;
      const inline = !stored.has(reader);
      const spreads = inline && op.kind !== 'pad' && sizeOf(shape) > size;
      evaluations[id]! += (inline ? evaluations[reader]! : 1) * (spreads ? 2 : 1);
      if (op.kind === 'matmul' || (inline && roleOf(op) === 'view' && wanted[reader] === 1)) wanted[id] = 1;
    }
    const again = evaluations[id]! > 1 && size > 1;
    if (
      role === 'source' ||
      role === 'anchor' ||
      role === 'joined' ||
      results.has(id) ||
      (role === 'pointwise' && (again || wanted[id] === 1))
    )
      stored.add(id);
  }
  return stored;
}

interface Joins {
  /** The anchor in the kernel of each value that is stored in an anchor's place. */
  readonly anchors: Map<NodeId, NodeId>;
  /** The stored value of each anchor's kernel. */
  readonly roots: Map<NodeId, NodeId>;
  /** The anchor of every value that is computed in an anchor's kernel. */
  readonly members: Map<NodeId, NodeId>;
}

/**
 * Extends kernels of anchors over the elementwise ops behind them, as long as each is the only reader of
 * the one before. The last one is stored instead of the anchor.
 */
function joinAnchors(
  { nodes }: Program,
  readers: readonly (readonly NodeId[])[],
  uses: Uint32Array,
  results: ReadonlySet<NodeId>,
  stored: Set<NodeId>,
): Joins {
  const joins: Joins = { anchors: new Map(), roots: new Map(), members: new Map() };
  for (const { id, op, shape } of nodes) {
    if (roleOf(op) !== 'anchor') continue;
    const fits = (next: GraphNode) =>
      sizeOf(next.shape) === sizeOf(shape) &&
      !joins.members.has(next.id) &&
      (roleOf(next.op) === 'pointwise' ? next.op.kind !== 'oneHot' : next.op.kind === 'reshape');
    const path = [id];
    for (let last = id; uses[last] === 1 && !results.has(last); ) {
      const next = nodes[readers[last]![0]!]!;
      if (!fits(next)) break;
      last = next.id;
      path.push(last);
    }
    while (nodes[path.at(-1)!]!.op.kind === 'reshape' && !results.has(path.at(-1)!)) path.pop();
    if (path.length === 1) continue;
    for (const member of path) {
      joins.members.set(member, id);
      stored.delete(member);
    }
    moveRoot(joins, stored, path.at(-1)!, id);
  }
  return joins;
}

function moveRoot({ anchors, roots }: Joins, stored: Set<NodeId>, root: NodeId, anchor: NodeId): void {
  const before = roots.get(anchor);
  if (before !== undefined) anchors.delete(before);
  anchors.set(root, anchor);
  roots.set(anchor, root);
  stored.add(root);
}

/** Stores values on the way until no kernel reads more than `most` buffers. */
function limitReadings({ nodes }: Program, stored: Set<NodeId>, joins: Joins, most: number): void {
  const reads: ReadonlySet<NodeId>[] = [];
  const leaves = (id: NodeId): ReadonlySet<NodeId> => (stored.has(id) ? new Set([id]) : reads[id]!);
  for (const { id, op, inputs, shape } of nodes) {
    const role = roleOf(op);
    if (role === 'joined' || role === 'source') {
      reads.push(op.kind === 'constant' && sizeOf(shape) === 1 ? new Set() : new Set([id]));
      continue;
    }
    const together = () => new Set(inputs.flatMap((input) => [...leaves(input)]));
    let all = together();
    while (all.size > most) {
      const largest = [...inputs].sort((a, b) => leaves(b).size - leaves(a).size)[0]!;
      const anchor = joins.members.get(largest);
      if (anchor === undefined || anchor === largest) stored.add(largest);
      else moveRoot(joins, stored, largest, anchor);
      all = together();
    }
    reads.push(all);
  }
}
