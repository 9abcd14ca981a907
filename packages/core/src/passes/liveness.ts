import type { Graph, GraphNode } from '../graph/graph.js';
import { bytesOf } from './cost.js';

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
