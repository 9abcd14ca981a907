import type { GraphNode, NodeId, Program } from '@kora-bench/core';
import { countUses } from '@kora-bench/core';
import { isLiteral } from './op-roles.js';

/** What a program's values are read by. */
export interface Readings {
  readonly nodes: readonly GraphNode[];
  /** How often each value is read; being a result of the program counts too. */
  readonly uses: Uint32Array;
  readonly readers: readonly (readonly NodeId[])[];
}

export function readingsOf(program: Program): Readings {
  const { nodes } = program;
  const readers: NodeId[][] = nodes.map(() => []);
  for (const { id, inputs } of nodes) for (const input of inputs) readers[input]!.push(id);
  return { nodes, uses: countUses(program), readers };
}

/** A value, and through reshapes that nobody else reads what it is computed from, which comes last. */
export function wayToSource({ nodes, uses }: Readings, id: NodeId): readonly NodeId[] {
  const way = [id];
  for (let at = nodes[id]!; uses[at.id] === 1 && at.op.kind === 'reshape'; at = nodes[way.at(-1)!]!)
    way.push(at.inputs[0]!);
  return way;
}

/** The value whose elements `id` gives another shape, as far as nothing on the way has a buffer of its own. */
export function throughReshapes(
  nodes: readonly GraphNode[],
  stored: ReadonlySet<NodeId>,
  id: NodeId,
): NodeId {
  let at = id;
  while (!stored.has(at) && nodes[at]!.op.kind === 'reshape') at = nodes[at]!.inputs[0]!;
  return at;
}

/** The stored values whose kernels read the value `id`. */
export function kernelReaders(
  { readers }: Readings,
  stored: ReadonlySet<NodeId>,
  id: NodeId,
): readonly NodeId[] {
  const found = new Set<NodeId>();
  const visit = (from: NodeId) => {
    for (const reader of readers[from]!) {
      if (found.has(reader)) continue;
      if (stored.has(reader)) found.add(reader);
      else visit(reader);
    }
  };
  visit(id);
  return [...found];
}

/** The stored values that computing `roots` reads. */
export function leaves(
  { nodes }: Readings,
  stored: ReadonlySet<NodeId>,
  roots: readonly NodeId[],
): ReadonlySet<NodeId> {
  const read = new Set<NodeId>();
  const seen = new Set<NodeId>();
  const visit = (id: NodeId) => {
    if (seen.has(id)) return;
    seen.add(id);
    for (const input of nodes[id]!.inputs) {
      if (!stored.has(input)) visit(input);
      else if (!isLiteral(nodes[input]!)) read.add(input);
    }
  };
  for (const root of roots) visit(root);
  return read;
}

/** The keys under which a map has `value`. */
export function keysOf<Key, Value>(map: ReadonlyMap<Key, Value>, value: Value): readonly Key[] {
  return [...map].filter(([, other]) => other === value).map(([key]) => key);
}
