import type { GraphNode, NodeId } from '@kora-bench/core';

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
