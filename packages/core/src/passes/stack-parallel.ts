import type { NodeId, Program } from '../graph/graph.js';
import { reshape } from '../ops/layout.js';
import { definitionOf } from '../ops/registry.js';
import { concat, narrow } from '../ops/slicing.js';
import type { Tensor } from '../tensor/tensor.js';
import { GraphBuilder } from '../tracing/graph-builder.js';
import type { ParallelGroup } from './parallel-groups.js';
import { parallelGroups } from './parallel-groups.js';
import { reemit, rewriteProgram } from './rewrite.js';
import { simplify } from './simplify.js';

/** Values of at most this many elements are worth copying to save the fixed cost of an op. */
const largestStacked = 1 << 16;

/**
 * Runs small ops that do the same on independent values as one op on their stack: the low-rank products of
 * all adapters of one shape become one batched product (horizontal fusion). What the ops of a stack pass on
 * to each other is never taken apart in between.
 */
export function stackParallel(program: Program): Program {
  const { nodes } = program;
  const { groups, order } = parallelGroups(program, largestStacked);
  if (groups.size === 0) return program;
  const builder = new GraphBuilder();
  const rebuilt = new Map<NodeId, Tensor>();
  const stacks = new Map<ParallelGroup, Tensor>();
  const value = (id: NodeId): Tensor => {
    const known = rebuilt.get(id);
    if (known !== undefined) return known;
    const group = groups.get(id)!;
    const part = partOf(stacks.get(group)!, group.members.indexOf(id));
    rebuilt.set(id, part);
    return part;
  };
  const stackOf = (ids: readonly NodeId[]): Tensor => {
    const group = groups.get(ids[0]!);
    const whole = group?.members.length === ids.length && ids.every((id, i) => id === group.members[i]);
    return whole ? stacks.get(group)! : stack(ids.map(value));
  };
  for (const members of order) {
    const first = nodes[members[0]!]!;
    const group = groups.get(first.id);
    builder.withinScope(first.scope, () => {
      if (group === undefined) {
        rebuilt.set(first.id, reemit(first, first.inputs.map(value), builder));
        return;
      }
      const operands = group.shared.map((shared, i) => ({
        shared,
        tensor: shared
          ? value(first.inputs[i]!)
          : stackOf(members.map((member) => nodes[member]!.inputs[i]!)),
      }));
      const { op, shape } = first;
      stacks.set(group, definitionOf(op).stack!(op, { count: members.length, operands, shape }));
    });
  }
  const moved = (roots: ReadonlyMap<string, NodeId>) =>
    new Map([...roots].map(([name, id]) => [name, value(id).id]));
  return rewriteProgram(
    { nodes: builder.nodes, outputs: moved(program.outputs), updates: moved(program.updates) },
    simplify,
  );
}

/** Values of one shape as `[k, …shape]`. */
function stack(parts: readonly Tensor[]): Tensor {
  const { shape } = parts[0]!;
  return reshape(concat(shape.length === 0 ? parts.map((part) => reshape(part, [1])) : parts, 0), [
    parts.length,
    ...shape,
  ]);
}

/** Part `i` of `[k, …shape]`; cut along the first axis of the parts, so that none needs a reshape of its own. */
function partOf(stacked: Tensor, i: number): Tensor {
  const [k, ...shape] = stacked.shape;
  const [rows = 1, ...rest] = shape;
  const flat = reshape(stacked, [k! * rows, ...rest]);
  return reshape(narrow(flat, 0, i * rows, (i + 1) * rows), shape);
}
