import type { Graph, GraphNode, NodeId, Program } from '../graph/graph.js';
import type { CompositeKind } from '../graph/op.js';
import { compositeKinds, definitionOf } from '../ops/registry.js';
import type { TracedGraph } from '../tensor/tensor.js';
import { Tensor } from '../tensor/tensor.js';
import { GraphBuilder } from '../tracing/graph-builder.js';

/**
 * What a pass does with one node whose inputs have been rewritten already: return its replacement,
 * or `undefined` to keep it as it is.
 */
export type Visit = (node: GraphNode, inputs: readonly Tensor[], builder: TracedGraph) => Tensor | undefined;

/** Builds `node` again in `builder`, with other inputs. */
export function reemit(node: GraphNode, inputs: readonly Tensor[], builder: TracedGraph): Tensor {
  const { op } = node;
  switch (op.kind) {
    case 'feed':
      return builder.feed(op.name, node.shape, node.dtype);
    case 'frozen':
      return builder.frozen(op.name, node.shape, node.dtype);
    case 'state':
      return builder.state(op.name, node.shape);
    default:
      return builder.emit(op, inputs, node.scope);
  }
}

/**
 * Rebuilds what `roots` need of a graph in a new builder, node by node in order. Whatever no root
 * needs is gone (dead code), equal expressions are one (common subexpressions).
 * @returns the roots in the new graph, in the same order.
 */
export function rewriteGraph(
  graph: Graph,
  roots: readonly NodeId[],
  visit: Visit = () => undefined,
): Tensor[] {
  const builder = new GraphBuilder();
  const live = liveNodes(graph, roots);
  const rebuilt = new Map<NodeId, Tensor>();
  for (const node of graph.nodes) {
    if (live[node.id] !== 1) continue;
    const inputs = node.inputs.map((input) => rebuilt.get(input)!);
    const tensor = builder.withinScope(
      node.scope,
      () => visit(node, inputs, builder) ?? reemit(node, inputs, builder),
    );
    rebuilt.set(node.id, tensor);
  }
  return roots.map((root) => rebuilt.get(root)!);
}

/** Applies `rewriteGraph` to a program: its roots are all outputs and updates. */
export function rewriteProgram(program: Program, visit?: Visit): Program {
  const names = [...program.outputs.keys()];
  const states = [...program.updates.keys()];
  const roots = [...program.outputs.values(), ...program.updates.values()];
  const rebuilt = rewriteGraph(program, roots, visit);
  const swept = visit === undefined ? rebuilt : sweep(rebuilt);
  return {
    nodes: builderOf(swept).nodes,
    outputs: new Map(names.map((name, i) => [name, swept[i]!.id])),
    updates: new Map(states.map((name, i) => [name, swept[names.length + i]!.id])),
  };
}

/**
 * Replaces every composite that is not in `native` by its lowering, until only native ones remain. Every
 * backend calls it in `compile` with the composites that it has kernels for.
 */
export function lowerComposites(program: Program, native: ReadonlySet<CompositeKind>): Program {
  const foreign = new Set<string>(compositeKinds.filter((kind) => !native.has(kind)));
  let current = program;
  while (current.nodes.some((node) => foreign.has(node.op.kind))) {
    current = rewriteProgram(current, (node, inputs) =>
      foreign.has(node.op.kind) ? definitionOf(node.op).lower?.(node.op, inputs) : undefined,
    );
  }
  return current;
}

/** Drops the originals of what a rewrite replaced, where it left any behind. */
function sweep(roots: readonly Tensor[]): readonly Tensor[] {
  const graph = builderOf(roots);
  const ids = roots.map((root) => root.id);
  return liveNodes(graph, ids).includes(0) ? rewriteGraph(graph, ids) : roots;
}

/** A program of the graph that its outputs and updates were built in. */
export function makeProgram(
  outputs: Readonly<Record<string, Tensor>>,
  updates: Readonly<Record<string, Tensor>> = {},
): Program {
  const tensors = [...Object.values(outputs), ...Object.values(updates)];
  return rewriteProgram({
    nodes: builderOf(tensors).nodes,
    outputs: new Map(Object.entries(outputs).map(([name, tensor]) => [name, tensor.id])),
    updates: new Map(Object.entries(updates).map(([name, tensor]) => [name, tensor.id])),
  });
}

function builderOf(tensors: readonly Tensor[]): Graph {
  return tensors[0]?.builder ?? new GraphBuilder();
}

/** Marks every node that some root depends on. */
export function liveNodes(graph: Graph, roots: readonly NodeId[]): Uint8Array {
  const live = new Uint8Array(graph.nodes.length);
  for (const root of roots) live[root] = 1;
  for (let id = graph.nodes.length - 1; id >= 0; id--) {
    if (live[id] === 1) for (const input of graph.nodes[id]!.inputs) live[input] = 1;
  }
  return live;
}

/** How many live nodes and roots read each node; a rewritten graph still holds what was replaced. */
export function liveReaders(graph: Graph, roots: readonly NodeId[]): Uint32Array {
  const live = liveNodes(graph, roots);
  const uses = new Uint32Array(graph.nodes.length);
  for (const root of roots) uses[root]!++;
  for (const node of graph.nodes)
    if (live[node.id] === 1) for (const input of new Set(node.inputs)) uses[input]!++;
  return uses;
}

/** A tensor's node. */
export function nodeOf(tensor: Tensor): GraphNode {
  return tensor.builder.node(tensor.id);
}

/** The tensors that a tensor's node reads. */
export function inputsOf(tensor: Tensor): Tensor[] {
  return nodeOf(tensor).inputs.map((id) => new Tensor(tensor.builder, id));
}
