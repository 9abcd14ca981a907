import type { Graph, GraphNode } from '../graph/graph.js';
import { sizeOf } from '../graph/shape.js';
import { definitionOf } from '../ops/registry.js';

/** What one run of a program costs by its graph alone. */
export interface Cost {
  /** Floating-point operations; a multiply-add counts as two. */
  readonly flops: number;
  /** Bytes that ops read and write if nothing is fused, in float32. */
  readonly bytes: number;
}

export function nodeCost(graph: Graph, node: GraphNode): Cost {
  const inputs = node.inputs.map((id) => graph.nodes[id]!);
  const flops = definitionOf(node.op).flops(node.op, inputs, node);
  const moved = inputs.reduce((sum, input) => sum + bytesOf(input), bytesOf(node));
  return { flops, bytes: node.inputs.length === 0 || node.op.kind === 'reshape' ? 0 : moved };
}

export function programCost(graph: Graph): Cost {
  let flops = 0;
  let bytes = 0;
  for (const node of graph.nodes) {
    const cost = nodeCost(graph, node);
    flops += cost.flops;
    bytes += cost.bytes;
  }
  return { flops, bytes };
}

/** Size of a value in memory: 4 bytes per number, 1 per bool. */
export function bytesOf(node: GraphNode): number {
  return sizeOf(node.shape) * (node.dtype === 'bool' ? 1 : 4);
}
