import type { GraphNode, NodeId, Program } from '@kora-bench/core';
import { countUses } from '@kora-bench/core';

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
