import type { NodeId, Program } from '../graph/graph.js';
import { GraphBuilder } from '../graph/graph-builder.js';
import type { OpKind } from '../graph/op.js';
import { reshape } from '../ops/layout.js';
import { concat, narrow } from '../ops/slicing.js';
import type { Tensor } from '../tensor/tensor.js';
import { parallelGroups } from './parallel-groups.js';
import { reemit, rewriteProgram } from './rewrite.js';
import { simplify } from './simplify.js';
import { stackOp } from './stack-op.js';

/** Values of at most this many elements are worth copying to save the fixed cost of an op. */
const largestStacked = 1 << 16;

/**
 * Runs small ops that do the same on independent values as one op on their stack: the low-rank products of
 * all adapters of one shape become one batched product (horizontal fusion). What the ops of a stack pass on
 * to each other is never taken apart in between.
 * @param free ops that cost the backend nothing by themselves, e.g. those that only rearrange elements
 */
export function stackParallel(program: Program, free: ReadonlySet<OpKind> = new Set()): Program {
  const { nodes } = program;
  const { groups, order } = parallelGroups(program, largestStacked, free);
  if (groups.size === 0) return program;
  const builder = new GraphBuilder();
  const rebuilt = new Map<NodeId, Tensor>();
  const operand = (id: NodeId) => rebuilt.get(id)!;
  for (const members of order) {
    const first = nodes[members[0]!]!;
    const group = groups.get(first.id);
    builder.withinScope(first.scope, () => {
      if (group === undefined) {
        rebuilt.set(first.id, reemit(first, first.inputs.map(operand), builder));
        return;
      }
      const operands = group.shared.map((shared, i) => ({
        shared,
        tensor: shared
          ? operand(first.inputs[i]!)
          : stack(members.map((member) => operand(nodes[member]!.inputs[i]!))),
      }));
      const parts = unstack(stackOp(first, members.length, operands));
      members.forEach((member, i) => {
        rebuilt.set(member, parts[i]!);
      });
    });
  }
  const moved = (roots: ReadonlyMap<string, NodeId>) =>
    new Map([...roots].map(([name, id]) => [name, rebuilt.get(id)!.id]));
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

/** The parts of `[k, …shape]`; cut along the first axis of the parts, so that none needs a reshape of its own. */
function unstack(stacked: Tensor): Tensor[] {
  const [k, ...shape] = stacked.shape;
  const [rows = 1, ...rest] = shape;
  const flat = reshape(stacked, [k! * rows, ...rest]);
  return Array.from({ length: k! }, (_, i) => reshape(narrow(flat, 0, i * rows, (i + 1) * rows), shape));
}
