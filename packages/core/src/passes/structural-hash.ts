import type { Graph, NodeId } from '../graph/graph.js';
import { describeOp } from '../graph/structural-key.js';

/**
 * A hash of each node's whole expression, down to the names of its feeds and weights: equal expressions
 * in different graphs have equal hashes. 26 hexadecimal digits; not meant to resist an attacker.
 */
export function structuralHashes(graph: Graph): ReadonlyMap<NodeId, string> {
  const hashes = new Map<NodeId, string>();
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((id) => hashes.get(id)!).join(',');
    hashes.set(node.id, hashText(`${describeOp(node.op)}|${node.dtype}|${node.shape}|${inputs}`));
  }
  return hashes;
}

/** Two 52-bit hashes by multiply-xor with different seeds, as hexadecimal digits. */
export function hashText(text: string): string {
  return [0x9e3779b1, 0x85ebca6b].map((seed) => mix(text, seed).toString(16).padStart(13, '0')).join('');
}

function mix(text: string, seed: number): number {
  let high = 0xdeadbeef ^ seed;
  let low = 0x41c6ce57 ^ seed;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    high = Math.imul(high ^ code, 0x9e3779b1);
    low = Math.imul(low ^ code, 0x5f356495);
  }
  high = Math.imul(high ^ (high >>> 16), 0x85ebca6b) ^ Math.imul(low ^ (low >>> 13), 0xc2b2ae35);
  low = Math.imul(low ^ (low >>> 16), 0x85ebca6b) ^ Math.imul(high ^ (high >>> 13), 0xc2b2ae35);
  return (low >>> 0) * 2 ** 20 + ((high >>> 0) & 0xfffff);
}
