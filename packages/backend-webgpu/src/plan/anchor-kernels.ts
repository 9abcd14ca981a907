import type { GraphNode, NodeId } from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';
import { isLiteral } from './op-roles.js';
import type { PlanView } from './plan-view.js';
import { keysOf, throughReshapes } from './readings.js';

/** The kernels that anchors have, and what these store. */
export interface AnchorKernels {
  /**
   * All values with a buffer of their own. No kernel reads more buffers than it may, and what an anchor's kernel
   * stores in the anchor's place is here instead of the anchor.
   */
  readonly stored: ReadonlySet<NodeId>;
  /** Statistics of scores that the kernel of an attention computes too, with that attention. */
  readonly statistics: ReadonlyMap<NodeId, NodeId>;
  /** The anchor whose kernel stores a value in the anchor's place. */
  anchorOf(value: NodeId): NodeId | undefined;
  /** What the kernel of an anchor stores: the value in its place, and what is computed from that alone. */
  storedBy(anchor: NodeId): readonly NodeId[];
  /** Whether a value is computed from that of an anchor's kernel alone, and stored beside it. */
  isBeside(value: NodeId): boolean;
}

/**
 * Gives each anchor a kernel, which takes along elementwise ops behind it.
 * @param mostReadings buffers that one kernel can read
 */
export function anchorKernels(
  view: PlanView,
  stored: ReadonlySet<NodeId>,
  mostReadings: number,
): AnchorKernels {
  const joins: Joins = {
    stored: new Set(stored),
    anchors: new Map(),
    roots: new Map(),
    members: new Map(),
    besides: new Map(),
  };
  const statistics = statisticsOfAttentions(view);
  joinFollowers(view, joins, statistics);
  // Behind the joining, for it stores less; before what goes beside a kernel's value, which is read as stored.
  limitReadings(view, joins, mostReadings);
  joinBesides(view, joins, statistics);
  return {
    stored: joins.stored,
    statistics,
    anchorOf: (value) => (view.roles[value] === 'anchor' ? value : joins.anchors.get(value)),
    storedBy(anchor) {
      const root = joins.roots.get(anchor) ?? anchor;
      return [root, ...keysOf(joins.besides, root)];
    },
    isBeside: (value) => joins.besides.has(value),
  };
}

/** Anchors' kernels while it is decided what belongs to them. */
interface Joins {
  readonly stored: Set<NodeId>;
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
 */
function joinFollowers(
  { nodes, readers, uses, results, roles, updates }: PlanView,
  joins: Joins,
  apart: ReadonlyMap<NodeId, NodeId>,
): void {
  for (const { id, shape } of nodes) {
    if (roles[id] !== 'anchor' || apart.has(id)) continue;
    const fits = (next: GraphNode) =>
      sizeOf(next.shape) === sizeOf(shape) &&
      !joins.members.has(next.id) &&
      // Sums with an update belong to the kernels behind them.
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
      joins.stored.delete(member);
    }
    moveRoot(joins, path.at(-1)!, id);
  }
}

function moveRoot({ stored, anchors, roots }: Joins, root: NodeId, anchor: NodeId): void {
  const before = roots.get(anchor);
  if (before !== undefined) anchors.delete(before);
  anchors.set(root, anchor);
  roots.set(anchor, root);
  stored.add(root);
}

/** Stores values on the way until no kernel reads more than `most` buffers. */
function limitReadings({ nodes, roles, terms }: PlanView, joins: Joins, most: number): void {
  const { stored } = joins;
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
      else moveRoot(joins, largest, anchor);
      all = together();
    }
    reads.push(all);
  }
}

/**
 * Adds to anchors' kernels what else is computed from their values alone: the GELU of a layer whose own
 * result is kept for the backward pass.
 */
function joinBesides({ nodes, roles }: PlanView, joins: Joins, apart: ReadonlyMap<NodeId, NodeId>): void {
  const { stored } = joins;
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
