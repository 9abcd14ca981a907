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
  const still = node.inputs.length === 0 || definitionOf(node.op).rearranges === 'view';
  return { flops, bytes: still ? 0 : moved };
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

/**
 * The lower bound on memory for intermediate values when nodes run in order and each value is freed
 * after its last use, in bytes; sources are not counted.
 */
export function peakLiveBytes(graph: Graph, roots: Iterable<number>): number {
  const lastUse = new Map<number, number>();
  for (const node of graph.nodes) for (const input of node.inputs) lastUse.set(input, node.id);
  for (const root of roots) lastUse.set(root, graph.nodes.length);
  const dying = new Map<number, GraphNode[]>();
  let live = 0;
  let peak = 0;
  for (const node of graph.nodes) {
    if (node.inputs.length > 0) {
      live += bytesOf(node);
      const end = lastUse.get(node.id) ?? node.id;
      dying.set(end, [...(dying.get(end) ?? []), node]);
    }
    peak = Math.max(peak, live);
    for (const dead of dying.get(node.id) ?? []) live -= bytesOf(dead);
  }
  return peak;
}
