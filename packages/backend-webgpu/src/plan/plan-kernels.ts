import type { GraphNode, NodeId, Program } from '@kora-bench/core';
import { sizeOf } from '@kora-bench/core';
import type { Storage } from '../wgsl/scalar.js';
import type { PointwiseGroup } from './group-pointwise.js';
import { groupPointwise } from './group-pointwise.js';
import { backwardNodes, halfValues } from './half-values.js';
import { joinedParts } from './joined-parts.js';
import type { Destination, Kernel } from './kernel.js';
import { keysOf } from './keys-of.js';
import type { Role } from './node-roles.js';
import { isLiteral, roleOf } from './node-roles.js';
import type { PlanView } from './plan-view.js';
import { readingsOf } from './readings.js';
import { rowOperands } from './row-operands.js';
import { rowProducts } from './row-products.js';
import { rowUpdates } from './row-updates.js';
import { sumsOfProducts } from './sums-of-products.js';
import { throughReshapes } from './through-reshapes.js';

/** How many bits real numbers are kept in. */
export type Precision = 'f32' | 'f16';

export interface KernelPlan {
  /** In an order to run in. */
  readonly kernels: readonly Kernel[];
  /** Nodes with a buffer of their own. */
  readonly stored: ReadonlySet<NodeId>;
  /** Values that may be too small for 16 bits. */
  readonly backward: ReadonlySet<NodeId>;
  /** How the elements of a node with a buffer are kept. */
  storageOf(id: NodeId): Storage;
}

/**
 * Decides which values get a buffer and which kernels compute them. An elementwise op joins its only
 * reader or, behind a product or a reduction, the kernel before it; views cost nothing.
 * @param mostReadings buffers that one kernel can read
 * @param precision how real numbers are kept, as far as they allow it
 */
export function planKernels(program: Program, mostReadings: number, precision: Precision): KernelPlan {
  const { nodes } = program;
  const readings = readingsOf(program);
  const updates = rowUpdates(readings);
  const inline = new Set(updates.values());
  const { terms, absorbed } = sumsOfProducts(readings, inline);
  const rolesOf = ({ id, op }: GraphNode): Role => {
    if (absorbed.has(id)) return 'absorbed';
    if (inline.has(id)) return 'inline';
    return terms.has(id) ? 'anchor' : roleOf(op);
  };
  const view: PlanView = {
    ...readings,
    results: new Set([...program.outputs.values(), ...program.updates.values()]),
    roles: nodes.map(rolesOf),
    terms,
  };

  const stored = storedValues(view);
  const statistics = statisticsOfAttentions(view);
  const joins = joinAnchors(view, stored, statistics, updates);
  limitReadings(view, stored, joins, mostReadings);
  joinBesides(view, stored, joins, statistics);
  const anchorOf = (id: NodeId) => (view.roles[id] === 'anchor' ? id : joins.anchors.get(id));
  const storedBy = (anchor: NodeId) => {
    const root = joins.roots.get(anchor) ?? anchor;
    return [root, ...keysOf(joins.besides, root)];
  };
  const operands = rowOperands(view, updates.keys(), { stored, anchorOf, storedBy }, mostReadings + 1);
  const writtenBy = (anchor: NodeId) => [...keysOf(operands, anchor), ...storedBy(anchor)];
  const products = rowProducts(view, { stored, anchorOf, storedBy: writtenBy }, mostReadings + 1);
  const parts = joinedParts(view, stored);
  const groups = groupedPointwise(
    view,
    stored,
    joins,
    new Set([...statistics.keys(), ...operands.keys()]),
    mostReadings + 1,
  );
  for (const id of groups.flatMap(({ inner }) => inner)) stored.delete(id);
  const groupAt = new Map(groups.map(({ outputs }) => [outputs.at(-1)!, outputs]));
  const grouped = new Set(groups.flatMap(({ outputs }) => outputs.slice(0, -1)));

  const kernels = nodes.flatMap((node): readonly Kernel[] => {
    const { id } = node;
    const role = view.roles[id]!;
    if (role === 'joined') return parts.copies.get(id) ?? [];
    if (!stored.has(id) || role === 'source') return [];
    const anchor = anchorOf(id);
    if (statistics.has(id) || operands.has(id) || joins.besides.has(id) || grouped.has(id)) return [];
    const output = (root: NodeId) => ({ root, destination: parts.inPlace.get(root) ?? whole(nodes[root]!) });
    if (anchor === undefined)
      return [{ anchors: [], terms: [], outputs: (groupAt.get(id) ?? [id]).map(output) }];
    if (products.has(anchor)) return [];
    const outputsOf = (each: NodeId) => storedBy(each).map((root) => ({ ...output(root), anchor: each }));
    const anchors = [anchor, ...keysOf(statistics, anchor), ...keysOf(products, anchor)];
    const outputs = [...keysOf(operands, anchor).map(output), ...anchors.flatMap(outputsOf)];
    return [{ anchors, terms: terms.get(anchor) ?? [], outputs }];
  });
  for (const id of parts.inPlace.keys()) stored.delete(id);
  const backward = backwardNodes(program);
  const halves = precision === 'f16' ? halfValues(program, stored, backward) : new Set<NodeId>();
  const storageOf = (id: NodeId) => (halves.has(id) ? 'f16' : nodes[id]!.dtype);
  return { kernels, stored, backward, storageOf };
}

function whole({ id, shape }: GraphNode): Destination {
  return { buffer: id, shape: [sizeOf(shape)], strides: [1], offset: 0 };
}

/** Sources, anchors and joined values, results, and what would otherwise be computed more than once. */
function storedValues(view: PlanView): Set<NodeId> {
  const { nodes, readers, results, roles } = view;
  const stored = new Set<NodeId>();
  /** How often an element is computed, and whether the ops behind want it in memory. */
  const evaluations = new Float64Array(nodes.length);
  const wanted = new Uint8Array(nodes.length);
  for (let id = nodes.length - 1; id >= 0; id--) {
    const node = nodes[id]!;
    const role = roles[id];
    const size = sizeOf(node.shape);
    for (const reader of readers[id]!) {
      const { op, shape } = nodes[reader]!;
      const inline = !stored.has(reader);
      const spreads = inline && op.kind !== 'pad' && sizeOf(shape) > size;
      evaluations[id]! += (inline ? evaluations[reader]! : 1) * (spreads ? 2 : 1);
      if (readsAgain(op) || (inline && roles[reader] === 'view' && wanted[reader] === 1)) wanted[id] = 1;
    }
    const again = evaluations[id]! > 1 && size > 1 && !isCheap(view, node);
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

/** Whether computing a value from its only operand costs no more than reading it: one product or sum. */
function isCheap({ nodes, roles, uses }: PlanView, { op, inputs, shape }: GraphNode): boolean {
  if (op.kind !== 'binary' || !['add', 'sub', 'mul'].includes(op.fn)) return false;
  const read = new Set(inputs.filter((input) => nodes[input]!.op.kind !== 'constant'));
  const [operand] = read;
  if (read.size !== 1 || sizeOf(nodes[operand!]!.shape) !== sizeOf(shape)) return false;
  const role = roles[operand!];
  return role === 'source' || role === 'joined' || (role === 'anchor' && uses[operand!]! > 1);
}

/** Whether an op reads each element of its operands more than once. */
function readsAgain(op: GraphNode['op']): boolean {
  return roleOf(op) === 'anchor' && op.kind !== 'reduce';
}

interface Joins {
  /** The anchor in the kernel of each value that is stored in an anchor's place. */
  readonly anchors: Map<NodeId, NodeId>;
  /** The stored value of each anchor's kernel. */
  readonly roots: Map<NodeId, NodeId>;
  /** The anchor of every value that is computed in an anchor's kernel. */
  readonly members: Map<NodeId, NodeId>;
  /** Values that are stored beside the value of an anchor's kernel that they are computed from, by value. */
  readonly besides: Map<NodeId, NodeId>;
}

/** Finds statistics of an attention's scores, and that attention: its kernel has them at hand. */
function statisticsOfAttentions({ nodes, roles }: PlanView): ReadonlyMap<NodeId, NodeId> {
  const attentions = new Map<string, NodeId>();
  const found = new Map<NodeId, NodeId>();
  for (const { id, op, inputs } of nodes) {
    if (op.kind !== 'attention' && op.kind !== 'attentionStatistics') continue;
    if (roles[id] !== 'anchor') continue;
    const key = `${inputs[0]} ${inputs[1]} ${op.scale}`;
    if (op.kind === 'attention') attentions.set(key, id);
    else if (attentions.has(key)) found.set(id, attentions.get(key)!);
  }
  return found;
}

/**
 * Extends kernels of anchors over the elementwise ops behind them, as long as each is the only reader of
 * the one before. The last one is stored instead of the anchor.
 * @param updates sums that belong to the kernels behind them
 */
function joinAnchors(
  { nodes, readers, uses, results, roles }: PlanView,
  stored: Set<NodeId>,
  apart: ReadonlyMap<NodeId, NodeId>,
  updates: ReadonlyMap<NodeId, NodeId>,
): Joins {
  const joins: Joins = { anchors: new Map(), roots: new Map(), members: new Map(), besides: new Map() };
  for (const { id, shape } of nodes) {
    if (roles[id] !== 'anchor' || apart.has(id)) continue;
    const fits = (next: GraphNode) =>
      sizeOf(next.shape) === sizeOf(shape) &&
      !joins.members.has(next.id) &&
      !updates.has(next.id) &&
      (roles[next.id] === 'pointwise' ? next.op.kind !== 'oneHot' : next.op.kind === 'reshape');
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

/**
 * Adds to anchors' kernels what else is computed from their values alone: the GELU of a layer whose own
 * result is kept for the backward pass.
 */
function joinBesides(
  { nodes, roles }: PlanView,
  stored: ReadonlySet<NodeId>,
  joins: Joins,
  apart: ReadonlyMap<NodeId, NodeId>,
): void {
  for (const { id, inputs, shape } of nodes) {
    if (roles[id] !== 'pointwise' || !stored.has(id) || joins.members.has(id)) continue;
    const read = new Set(
      inputs
        .map((input) => throughReshapes(nodes, stored, input))
        .filter((input) => nodes[input]!.op.kind !== 'constant'),
    );
    const [source] = read;
    if (read.size !== 1 || sizeOf(nodes[source!]!.shape) !== sizeOf(shape)) continue;
    const computed = roles[source!] === 'anchor' || joins.anchors.has(source!);
    if (computed && stored.has(source!) && !apart.has(source!)) joins.besides.set(id, source!);
  }
}

/** Groups the kernels that only do elementwise ops. */
function groupedPointwise(
  view: PlanView,
  stored: ReadonlySet<NodeId>,
  joins: Joins,
  apart: ReadonlySet<NodeId>,
  mostBuffers: number,
): readonly PointwiseGroup[] {
  const isAlone = ({ id }: GraphNode) =>
    stored.has(id) &&
    view.roles[id] === 'pointwise' &&
    !joins.anchors.has(id) &&
    !joins.besides.has(id) &&
    !apart.has(id);
  const alone = new Set(view.nodes.filter(isAlone).map(({ id }) => id));
  return groupPointwise(view, stored, alone, mostBuffers);
}

function moveRoot({ anchors, roots }: Joins, stored: Set<NodeId>, root: NodeId, anchor: NodeId): void {
  const before = roots.get(anchor);
  if (before !== undefined) anchors.delete(before);
  anchors.set(root, anchor);
  roots.set(anchor, root);
  stored.add(root);
}

/** Stores values on the way until no kernel reads more than `most` buffers. */
function limitReadings(
  { nodes, roles, terms }: PlanView,
  stored: Set<NodeId>,
  joins: Joins,
  most: number,
): void {
  const reads: ReadonlySet<NodeId>[] = [];
  const leaves = (id: NodeId): ReadonlySet<NodeId> => {
    if (isLiteral(nodes[id]!)) return new Set();
    return stored.has(id) ? new Set([id]) : reads[id]!;
  };
  for (const { id, inputs: direct } of nodes) {
    const role = roles[id];
    const inputs = terms.get(id)?.flatMap((term) => nodes[term]!.inputs) ?? direct;
    if (role === 'joined' || role === 'source') {
      reads.push(new Set([id]));
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
