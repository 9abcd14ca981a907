import type { NodeId, Program, Tensor } from '@kora-bench/core';
import { add, reshape, rewriteProgram, sizeOf } from '@kora-bench/core';
import type { Readings } from '../plan/readings.js';
import { readingsOf } from '../plan/readings.js';
import { rowReaderOf, updateBehind } from '../plan/row-updates.js';

/**
 * (x·W + u·B) + residual → (x·W + residual) + u·B, in front of a row composite: its kernel adds the update to
 * the rows that it reads, so that x·W and u = x·A need not wait for each other.
 */
export function deferUpdates(program: Program): Program {
  const readings = readingsOf(program);
  /** By the sum that an update is taken from, the operand that remains, and where it goes. */
  const moves = new Map<NodeId, { readonly rest: 0 | 1; readonly end: NodeId }>();
  const ends = new Set<NodeId>();
  for (const { id, op, inputs, shape } of readings.nodes) {
    if (op.kind !== 'binary' || op.fn !== 'add') continue;
    const isUpdate = inputs.map((input) => updateBehind(readings, input, sizeOf(shape)) !== undefined);
    const end = endOfSum(readings, id);
    if (isUpdate[0] === isUpdate[1] || ends.has(end) || end === id) continue;
    if (rowReaderOf(readings, end) === undefined) continue;
    moves.set(id, { rest: isUpdate[1] ? 0 : 1, end });
    ends.add(end);
  }
  const updates = new Map<NodeId, Tensor>();
  return rewriteProgram(program, (node, inputs) => {
    const move = moves.get(node.id);
    if (move !== undefined && sizeOf(inputs[move.rest]!.shape) === sizeOf(node.shape)) {
      updates.set(move.end, inputs[1 - move.rest]!);
      return reshape(inputs[move.rest]!, node.shape);
    }
    const update = updates.get(node.id);
    return update && add(add(inputs[0]!, inputs[1]!), reshape(update, node.shape));
  });
}

/** The last of the sums that a value is only a part of. */
function endOfSum({ nodes, uses, readers }: Readings, id: NodeId): NodeId {
  let end = id;
  for (let at = id; uses[at] === 1 && readers[at]!.length === 1; ) {
    const { id: next, op, shape } = nodes[readers[at]![0]!]!;
    const goesOn = op.kind === 'reshape' || (op.kind === 'binary' && op.fn === 'add');
    if (!goesOn || sizeOf(shape) !== sizeOf(nodes[id]!.shape)) break;
    if (op.kind === 'binary') end = next;
    at = next;
  }
  return end;
}
