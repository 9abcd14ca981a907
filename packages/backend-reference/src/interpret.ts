import { InternalError } from '@kora-bench/core/errors';
import type { GraphNode, HostTensor, NodeId, Program } from '@kora-bench/core/graph';
import { definitionOf } from '@kora-bench/core/ops';
import { toFloat64 } from './float64.js';

/**
 * Evaluates what `roots` need of a program, node by node in order, each by its op's own reference
 * evaluation; a value is dropped after its last use.
 * @param source the value of a feed, frozen weight or state in the interpreter's storage
 * @returns one value per root; they may share storage with each other and with sources
 */
export function interpret(
  program: Program,
  roots: readonly NodeId[],
  source: (node: GraphNode) => HostTensor,
): HostTensor[] {
  const lastUse = lastUses(program, roots);
  const values = new Map<NodeId, HostTensor>();
  for (const node of program.nodes) {
    if (!lastUse.has(node.id)) continue;
    values.set(node.id, evaluate(node, values, source));
    for (const input of node.inputs) if (lastUse.get(input) === node.id) values.delete(input);
  }
  return roots.map((root) => valueAt(root, values));
}

function evaluate(
  node: GraphNode,
  values: ReadonlyMap<NodeId, HostTensor>,
  source: (node: GraphNode) => HostTensor,
): HostTensor {
  switch (node.op.kind) {
    case 'feed':
    case 'frozen':
    case 'state':
      return source(node);
    case 'constant':
      return toFloat64({ dtype: node.dtype, shape: node.shape, data: node.op.data });
    default: {
      const inputs = node.inputs.map((id) => valueAt(id, values));
      return definitionOf(node.op).evaluate(node.op, inputs, node);
    }
  }
}

/** The last reader of every node that some root depends on; roots are read after all nodes. */
function lastUses(program: Program, roots: readonly NodeId[]): Map<NodeId, NodeId> {
  const lastUse = new Map<NodeId, NodeId>();
  for (const root of roots) lastUse.set(root, program.nodes.length);
  for (let id = program.nodes.length - 1; id >= 0; id--) {
    if (!lastUse.has(id)) continue;
    for (const input of program.nodes[id]!.inputs) if (!lastUse.has(input)) lastUse.set(input, id);
  }
  return lastUse;
}

function valueAt(id: NodeId, values: ReadonlyMap<NodeId, HostTensor>): HostTensor {
  const value = values.get(id);
  if (value === undefined)
    throw new InternalError(`Node ${id} was read before it had a value or after its last use.`);
  return value;
}
