import type { GraphNode, NodeId, Program } from '@kora-bench/core/graph';
import { countUses, sizeOf } from '@kora-bench/core/graph';
import { isLiteral, isRowOp, narrowSide } from './op-roles.js';

/*
 * Who reads what: the questions that rewriting and planning ask of a program again and again.
 */

/** What a program's values are read by. */
export interface Readings {
  readonly nodes: readonly GraphNode[];
  /** How often each value is read; being a result of the program counts too. */
  readonly uses: Uint32Array;
  readonly readers: readonly (readonly NodeId[])[];
}

/** The readings of a program. */
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

/** The stored values that computing `roots` reads. */
export function leavesOf(
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

/** The narrow product of `size` elements behind reshapes that only `id` is computed from, if nobody else reads it. */
export function updateBehind(readings: Readings, id: NodeId, size: number): NodeId | undefined {
  const { nodes, uses } = readings;
  const node = nodes[wayToSource(readings, id).at(-1)!]!;
  const { op, inputs, shape } = node;
  if (op.kind !== 'matmul' || op.transposeA || uses[node.id] !== 1 || sizeOf(shape) !== size)
    return undefined;
  return nodes[inputs[0]!]!.shape.at(-1)! <= narrowSide ? node.id : undefined;
}

/** The first composite that works on the rows of a value. */
export function rowReaderOf({ nodes, readers }: Readings, id: NodeId): NodeId | undefined {
  const { shape } = nodes[id]!;
  const found: NodeId[] = [];
  const visit = (at: NodeId) => {
    for (const reader of readers[at]!) {
      const { op, inputs } = nodes[reader]!;
      if (op.kind === 'reshape') visit(reader);
      const rows = nodes[inputs[0] ?? id]!.shape;
      if (isRowOp(op) && sizeOf(rows) === sizeOf(shape) && rows.at(-1) === shape.at(-1)) found.push(reader);
    }
  };
  visit(id);
  return found.length === 0 ? undefined : Math.min(...found);
}

/** The keys under which a map has `value`. */
export function keysOf<Key, Value>(map: ReadonlyMap<Key, Value>, value: Value): readonly Key[] {
  return [...map].filter(([, other]) => other === value).map(([key]) => key);
}
