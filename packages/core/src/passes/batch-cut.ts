import type { GraphNode, NodeId, Program } from '../graph/graph.js';
import { sourcesOf } from '../graph/graph.js';
import { sizeOf } from '../graph/shape.js';
import type { BlockRule } from '../ops/definition.js';
import { definitionOf } from '../ops/registry.js';
import { bytesOf, nodeCost } from './cost.js';

/** Where a value is computed when the batch is worked on in parts. */
export type Place =
  /** Once, before the parts: it depends on no example. */
  | 'before'
  /** In each part, for its own examples. */
  | 'body'
  /** In each part; what the parts get is added up. */
  | 'sum'
  /** Once, after the parts. */
  | 'after';

/** What cutting a program along the batch comes to. */
export interface BatchCut {
  readonly parts: number;
  /** By node. */
  readonly places: readonly Place[];
  /** How each part computes a node: for all in `body` and `sum` but feeds, and for no other. */
  readonly rules: ReadonlyMap<NodeId, BlockRule>;
  /** The parts' share of all FLOPs. */
  readonly share: number;
  /** Bytes of the largest value of one part. */
  readonly largestBytes: number;
  /** Elements that one part computes. */
  readonly computed: number;
  /** Elements that one part adds to sums. */
  readonly summed: number;
}

/** The number of examples, the extent of axis 0 of the largest feed; `undefined` where that is below 2. */
export function batchOf(program: Program): number | undefined {
  const feeds = sourcesOf(program, 'feed').filter(({ node }) => node.shape.length > 0);
  const largest = feeds.sort((a, b) => sizeOf(b.node.shape) - sizeOf(a.node.shape))[0];
  const batch = largest?.node.shape[0] ?? 1;
  return batch > 1 ? batch : undefined;
}

/**
 * Finds out what of a program can be done for one part of the batch at a time.
 * @param batch the number of examples; every feed that is as long along axis 0 is cut
 * @param parts how many parts there are, a divisor of `batch`
 */
export function cutBatch(program: Program, batch: number, parts: number): BatchCut {
  const places: Place[] = [];
  const rules = new Map<NodeId, BlockRule>();
  const flops = { parts: 0, all: 0 };
  let [largestBytes, computed, summed] = [0, 0, 0];
  for (const node of program.nodes) {
    const rule = ruleOf(program, node, places, parts);
    const place = placeOf(
      node,
      rule,
      node.inputs.map((id) => places[id]!),
      batch,
    );
    places.push(place);
    if (rule !== undefined) rules.set(node.id, rule);
    const work = nodeCost(program, node).flops;
    flops.all += work;
    if (place === 'body' || place === 'sum') flops.parts += work;
    if (place === 'body') {
      largestBytes = Math.max(largestBytes, bytesOf(node) / parts);
      computed += sizeOf(node.shape) / parts;
    }
    if (place === 'sum') summed += sizeOf(node.shape);
  }
  const share = flops.all === 0 ? 0 : flops.parts / flops.all;
  return { parts, places, rules, share, largestBytes, computed, summed };
}

/** The rule by which parts can compute `node`; `undefined` where they cannot, or it is no matter of parts. */
function ruleOf(
  program: Program,
  node: GraphNode,
  places: readonly Place[],
  parts: number,
): BlockRule | undefined {
  const from = node.inputs.map((id) => places[id]!);
  if (!from.includes('body') || from.some((place) => place === 'after' || place === 'sum')) return undefined;
  const operands = node.inputs.map((id) => program.nodes[id]!);
  const cut = from.map((place) => place === 'body');
  const context = { operands, output: node, cut, count: parts };
  const rule = definitionOf(node.op).blockRule?.(node.op, context);
  if (rule === undefined) return undefined;
  const divisible = ({ shape }: GraphNode) => shape.length > 0 && shape[0]! % parts === 0;
  const fits = operands.every((operand, i) => !rule.cut[i] || divisible(operand));
  return fits && (rule.kind === 'sum' || divisible(node)) ? rule : undefined;
}

function placeOf(node: GraphNode, rule: BlockRule | undefined, from: readonly Place[], batch: number): Place {
  if (node.op.kind === 'feed') return node.shape.length > 0 && node.shape[0] === batch ? 'body' : 'before';
  if (from.every((place) => place === 'before')) return 'before';
  if (rule === undefined) return 'after';
  return rule.kind === 'sum' ? 'sum' : 'body';
}
