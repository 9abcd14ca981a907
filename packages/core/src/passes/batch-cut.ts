import type { GraphNode, NodeId, Program } from '../graph/graph.js';
import { sourcesOf } from '../graph/graph.js';
import { sizeOf } from '../graph/shape.js';
import { blockRule } from './block-rule.js';
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
  /** Which operands a node that each part computes reads in blocks. */
  readonly cuts: ReadonlyMap<NodeId, readonly boolean[]>;
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
  const cuts = new Map<NodeId, readonly boolean[]>();
  const flops = { parts: 0, all: 0 };
  let [largestBytes, computed, summed] = [0, 0, 0];
  for (const node of program.nodes) {
    const place = placeOf(program, node, places, cuts, batch, parts);
    places.push(place);
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
  return { parts, places, cuts, share, largestBytes, computed, summed };
}

function placeOf(
  program: Program,
  node: GraphNode,
  places: readonly Place[],
  cuts: Map<NodeId, readonly boolean[]>,
  batch: number,
  parts: number,
): Place {
  const { op } = node;
  if (op.kind === 'feed') return node.shape.length > 0 && node.shape[0] === batch ? 'body' : 'before';
  const from = node.inputs.map((id) => places[id]!);
  if (from.some((place) => place === 'after' || place === 'sum')) return 'after';
  if (!from.includes('body')) return 'before';
  const operands = node.inputs.map((id) => program.nodes[id]!);
  const rule = blockRule(
    node,
    operands,
    from.map((place) => place === 'body'),
    parts,
  );
  const divisible = rule?.cut.every((isCut, i) => !isCut || operands[i]!.shape[0]! % parts === 0);
  if (rule === undefined || divisible !== true) return 'after';
  cuts.set(node.id, rule.cut);
  return rule.kind === 'sum' ? 'sum' : 'body';
}
