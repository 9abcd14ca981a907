import { InternalError } from '../errors/kora-error.js';
import type { Graph, GraphNode, NodeId } from '../graph/graph.js';
import type { CompositeOp, PrimitiveOp } from '../graph/op.js';
import { definitionOf } from '../ops/registry.js';

/** A node that computes something, as opposed to a source. */
export type ComputedNode = GraphNode & { readonly op: PrimitiveOp | CompositeOp };

/** Makes a node's value from its operands'. */
export type Kernel<Value> = (operands: readonly Value[]) => Value;

/** What holds the values of a run. Whoever is given a handle releases it exactly once. */
export interface ValueStore<Value> {
  /** A second handle on the same elements. */
  share(value: Value): Value;
  release(value: Value): void;
}

/** One node and what is done around it. */
export interface EagerStep {
  readonly node: GraphNode;
  /** Values that nothing reads after this node, views before what they are views of. */
  readonly dead: readonly NodeId[];
}

/** The order in which an eager engine computes some nodes of a graph. */
export interface EagerPlan {
  readonly roots: readonly NodeId[];
  readonly steps: readonly EagerStep[];
  /** Values that live to the end of the run although no root returns them as they are; as in a step. */
  readonly last: readonly NodeId[];
  /** Roots that are handed out as they are; the others are shared first. */
  readonly owned: ReadonlySet<NodeId>;
}

/**
 * Plans a run: what `roots` need, in the graph's order, each value released after its last use. A value
 * whose views are still read lives as long as they do.
 * @param given nodes whose values the run is handed; they stay their owner's, and nothing before them is computed
 */
export function planEager(
  graph: Graph,
  roots: readonly NodeId[],
  given: (node: GraphNode) => boolean = isSource,
): EagerPlan {
  const { nodes } = graph;
  const lastUse = lastUses(graph, roots, given);
  const end = nodes.length;
  const owned = new Set<NodeId>();
  for (const root of roots) if (!given(nodes[root]!) && !isView(nodes[root]!)) owned.add(root);

  const dying = new Map<NodeId, NodeId[]>();
  for (let id = end - 1; id >= 0; id--) {
    const last = lastUse.get(id);
    if (last === undefined || given(nodes[id]!) || owned.has(id)) continue;
    const list = dying.get(last);
    if (list === undefined) dying.set(last, [id]);
    else list.push(id);
  }
  const steps = nodes
    .filter(({ id }) => lastUse.has(id))
    .map((node) => ({ node, dead: dying.get(node.id) ?? [] }));
  return { roots, steps, last: dying.get(end) ?? [], owned };
}

/** Feeds, frozen weights, states and constants. */
export function isSource(node: GraphNode): boolean {
  return !isComputed(node);
}

export function isComputed(node: GraphNode): node is ComputedNode {
  const { kind } = node.op;
  return kind !== 'feed' && kind !== 'frozen' && kind !== 'state' && kind !== 'constant';
}

function isView({ op }: GraphNode): boolean {
  return definitionOf(op).rearranges === 'view';
}

/** The last reader of every node that some root depends on; roots are read after all nodes. */
function lastUses(
  { nodes }: Graph,
  roots: readonly NodeId[],
  given: (node: GraphNode) => boolean,
): Map<NodeId, NodeId> {
  const lastUse = new Map<NodeId, NodeId>();
  for (const root of roots) lastUse.set(root, nodes.length);
  for (let id = nodes.length - 1; id >= 0; id--) {
    const own = lastUse.get(id);
    const node = nodes[id]!;
    if (own === undefined || given(node)) continue;
    for (const input of node.inputs) {
      const use = isView(node) ? own : id;
      lastUse.set(input, Math.max(lastUse.get(input) ?? 0, use));
    }
  }
  return lastUse;
}

/** What a run works with. */
export interface EagerRun<Value> {
  readonly store: ValueStore<Value>;
  /** The value of a node that the plan takes as given. */
  given(node: GraphNode): Value | undefined;
  /** The kernel of any other. */
  kernel(node: GraphNode): Kernel<Value>;
}

/**
 * Carries out a plan.
 * @returns a handle per root, the caller's to release; what the run made besides is released
 * @throws whatever a kernel throws, after everything that the run made is released
 */
export function runEager<Value>(plan: EagerPlan, { store, given, kernel }: EagerRun<Value>): Value[] {
  const values = new Map<NodeId, Value>();
  const made = new Map<NodeId, Value>();
  const release = (dead: readonly NodeId[]) => {
    for (const id of dead) {
      const value = made.get(id);
      if (value === undefined) continue;
      made.delete(id);
      values.delete(id);
      store.release(value);
    }
  };
  const results: Value[] = [];
  try {
    for (const { node, dead } of plan.steps) {
      const known = given(node);
      if (known !== undefined) values.set(node.id, known);
      else {
        const value = kernel(node)(node.inputs.map((id) => read(id, values)));
        values.set(node.id, value);
        made.set(node.id, value);
      }
      release(dead);
    }
    for (const root of plan.roots) {
      const value = read(root, values);
      if (!plan.owned.has(root) || !made.has(root)) results.push(store.share(value));
      else {
        made.delete(root);
        results.push(value);
      }
    }
    release(plan.last);
    return results;
  } catch (error) {
    for (const value of results) store.release(value);
    release([...made.keys()].reverse());
    throw error;
  }
}

function read<Value>(id: NodeId, values: ReadonlyMap<NodeId, Value>): Value {
  const value = values.get(id);
  if (value === undefined)
    throw new InternalError(`Node ${id} was read before it had a value or after its last use.`);
  return value;
}
