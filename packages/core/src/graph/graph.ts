import type { Op } from './op.js';
import type { DType, Shape } from './shape.js';

/** Index of a node in its graph; inputs always have smaller ids than the node itself. */
export type NodeId = number;

/** One value of a program: an op applied to earlier values. Pure data. */
export interface GraphNode {
  readonly id: NodeId;
  readonly op: Op;
  readonly inputs: readonly NodeId[];
  readonly shape: Shape;
  readonly dtype: DType;
  /** Where in the model the node was built, e.g. `blocks.3.attn`; empty at the top. */
  readonly scope: string;
}

/** Nodes in topological order. */
export interface Graph {
  readonly nodes: readonly GraphNode[];
}

/**
 * A graph with names for what goes out of it. Running it reads feeds, frozen weights and states,
 * returns the outputs that the caller asks for, and replaces each updated state by its new value.
 */
export interface Program extends Graph {
  readonly outputs: ReadonlyMap<string, NodeId>;
  /** New value per state name; all updates take effect together, after the whole program has run. */
  readonly updates: ReadonlyMap<string, NodeId>;
}

/** How often each node is read: by other nodes, outputs and updates. */
export function countUses(program: Program): Uint32Array {
  const uses = new Uint32Array(program.nodes.length);
  for (const node of program.nodes) for (const input of node.inputs) uses[input]!++;
  for (const id of program.outputs.values()) uses[id]!++;
  for (const id of program.updates.values()) uses[id]!++;
  return uses;
}

/** The nodes of one source kind, in order, with their names. */
export function sourcesOf(
  graph: Graph,
  kind: 'feed' | 'frozen' | 'state',
): { name: string; node: GraphNode }[] {
  const found: { name: string; node: GraphNode }[] = [];
  for (const node of graph.nodes) if (node.op.kind === kind) found.push({ name: node.op.name, node });
  return found;
}
