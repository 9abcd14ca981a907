import type { GraphNode, NodeId, Op, Program, Shape, Tensor } from '@kora-bench/core';
import { GraphBuilder, InternalError, sameShape, sizeOf, sourcesOf } from '@kora-bench/core';
import { blockRule, flopsOf } from './row-blocks.js';

/** A value of the outer program under its name in the body. */
export interface BodyInput {
  readonly feed: string;
  readonly outer: NodeId;
}

/** An output of the body and the outer program's feed for what becomes of it. */
export interface BodyResult {
  readonly output: string;
  readonly feed: string;
}

/** A program whose work on a batch is done in equal parts, one after the other. */
export interface BatchSplit {
  /** How many parts there are. */
  readonly parts: number;
  /** All that does not depend on single examples; the body's results are feeds of it. */
  readonly outer: Program;
  /** The work on one part of the batch. */
  readonly body: Program;
  /** Values that each part reads its own block of, along axis 0. */
  readonly blocks: readonly BodyInput[];
  /** Values that every part reads whole. */
  readonly shared: readonly BodyInput[];
  /** Outputs of the body that are summed over the parts. */
  readonly sums: readonly BodyResult[];
  /** Outputs of the body that are joined along axis 0. */
  readonly joined: readonly BodyResult[];
}

/**
 * Bytes of the largest intermediate value of one part, per thread: a part's values should stay in
 * the caches, and its products be large enough to pay for packing their operands.
 */
const partBytesPerThread = 1.5 * 2 ** 20;
/** A program is cut only if this share of its FLOPs is work on single examples. */
const leastShare = 0.8;
/** Numbers added to sums, per number computed by the body, that cutting may cost at most. */
const summingShare = 0.05;

type Place = 'before' | 'body' | 'sum' | 'after';

/**
 * Cuts a lowered program along the batch, so that the intermediate values of one part stay in the
 * cache and only one part's activations are in memory. What one example has to do with another (sums of
 * gradients, the loss) is summed or done afterwards.
 * @param threads that work on one part
 * @returns `undefined` where nothing is gained
 */
export function splitBatch(program: Program, threads: number): BatchSplit | undefined {
  const partBytes = threads * partBytesPerThread;
  const batch = batchSize(program);
  const fits = program.nodes.every(({ shape }) => 4 * sizeOf(shape) <= partBytes);
  if (batch === undefined || fits) return undefined;
  for (let size = 1; size * 2 <= batch; size++) {
    if (batch % size !== 0) continue;
    const parts = batch / size;
    const plan = planParts(program, batch, parts);
    if (plan === undefined) continue;
    const next = nextDivisor(batch, size);
    if (next < batch && plan.largest * (next / size) <= partBytes) continue;
    if (plan.summed * parts > summingShare * plan.computed * parts) continue;
    return plan.largest * parts <= partBytes ? undefined : build(program, parts, plan);
  }
  return undefined;
}

/** The extent of axis 0 of the largest feed. */
function batchSize(program: Program): number | undefined {
  const feeds = sourcesOf(program, 'feed').filter(({ node }) => node.shape.length > 0);
  const largest = feeds.sort((a, b) => sizeOf(b.node.shape) - sizeOf(a.node.shape))[0];
  const batch = largest?.node.shape[0] ?? 1;
  return batch > 1 ? batch : undefined;
}

function nextDivisor(batch: number, size: number): number {
  let next = size + 1;
  while (batch % next !== 0) next++;
  return next;
}

interface Plan {
  readonly places: readonly Place[];
  /** Operands that the body reads in blocks, per node of the body. */
  readonly cuts: ReadonlyMap<NodeId, readonly boolean[]>;
  /** Bytes of the largest value of one part. */
  readonly largest: number;
  /** Elements computed by one part. */
  readonly computed: number;
  /** Elements that each part adds to sums. */
  readonly summed: number;
}

function planParts(program: Program, batch: number, parts: number): Plan | undefined {
  const places: Place[] = [];
  const cuts = new Map<NodeId, readonly boolean[]>();
  const flops = { body: 0, all: 0 };
  let largest = 0;
  let computed = 0;
  let summed = 0;
  for (const node of program.nodes) {
    const operands = node.inputs.map((id) => program.nodes[id]!);
    const place = placeOf(program, node, operands, places, cuts, batch, parts);
    places.push(place);
    const work = flopsOf(node, operands);
    flops.all += work;
    if (place === 'body' || place === 'sum') flops.body += work;
    if (place === 'body') {
      largest = Math.max(largest, (4 * sizeOf(node.shape)) / parts);
      computed += sizeOf(node.shape) / parts;
    }
    if (place === 'sum') summed += sizeOf(node.shape);
  }
  return flops.body < leastShare * flops.all ? undefined : { places, cuts, largest, computed, summed };
}

function placeOf(
  program: Program,
  node: GraphNode,
  operands: readonly GraphNode[],
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
  const cut = from.map((place) => place === 'body');
  const rule = blockRule(node, operands, cut, parts);
  const divisible = rule?.cut.every(
    (isCut, i) => !isCut || program.nodes[node.inputs[i]!]!.shape[0]! % parts === 0,
  );
  if (rule === undefined || divisible !== true) return 'after';
  cuts.set(node.id, rule.cut);
  return rule.kind === 'sum' ? 'sum' : 'body';
}

function build(program: Program, parts: number, { places, cuts }: Plan): BatchSplit {
  const outer = new GraphBuilder();
  const body = new GraphBuilder();
  const outside = new Map<NodeId, Tensor>();
  const inside = new Map<NodeId, Tensor>();
  const wholeInside = new Map<NodeId, Tensor>();
  const blocks: BodyInput[] = [];
  const shared: BodyInput[] = [];
  const sums: BodyResult[] = [];
  const joined: BodyResult[] = [];
  const bodyOutputs = new Map<string, NodeId>();
  const part = (shape: Shape): Shape => [shape[0]! / parts, ...shape.slice(1)];

  const block = (id: NodeId): Tensor => {
    const known = inside.get(id);
    if (known !== undefined) return known;
    const { shape, dtype } = program.nodes[id]!;
    const feed = `block:${id}`;
    blocks.push({ feed, outer: outside.get(id)!.id });
    return remember(inside, id, body.feed(feed, part(shape), dtype));
  };
  const whole = (id: NodeId): Tensor => {
    const known = wholeInside.get(id);
    if (known !== undefined) return known;
    const { op, shape, dtype } = program.nodes[id]!;
    if (op.kind === 'constant') return remember(wholeInside, id, body.emit(op, []));
    if (op.kind === 'frozen') return remember(wholeInside, id, body.frozen(op.name, shape));
    const feed = `shared:${id}`;
    shared.push({ feed, outer: outside.get(id)!.id });
    return remember(wholeInside, id, body.feed(feed, shape, dtype));
  };
  const outsideOf = (id: NodeId): Tensor => {
    const known = outside.get(id);
    if (known !== undefined) return known;
    const { shape, dtype } = program.nodes[id]!;
    const name = `joined:${id}`;
    joined.push({ output: name, feed: name });
    bodyOutputs.set(name, inside.get(id)!.id);
    return remember(outside, id, outer.feed(name, shape, dtype));
  };

  for (const node of program.nodes) {
    const place = places[node.id]!;
    if (node.inputs.length === 0) {
      outside.set(node.id, source(outer, node));
      continue;
    }
    if (place === 'before' || place === 'after') {
      outside.set(node.id, outer.emit(node.op, node.inputs.map(outsideOf), node.scope));
      continue;
    }
    const cut = cuts.get(node.id)!;
    const inputs = node.inputs.map((id, i) => (cut[i] ? block(id) : whole(id)));
    const result = body.emit(place === 'sum' ? node.op : onPart(node.op, parts), inputs, node.scope);
    const expected = place === 'sum' ? node.shape : part(node.shape);
    if (!sameShape(result.shape, expected)) {
      throw new InternalError(`Cutting the batch changed the shape of ${node.op.kind}.`, {
        expected: expected.join(', '),
        received: result.shape.join(', '),
      });
    }
    if (place === 'body') {
      inside.set(node.id, result);
      continue;
    }
    const name = `sum:${node.id}`;
    sums.push({ output: name, feed: name });
    bodyOutputs.set(name, result.id);
    outside.set(node.id, outer.feed(name, node.shape, node.dtype));
  }
  const outerIds = (named: ReadonlyMap<string, NodeId>) =>
    new Map([...named].map(([name, id]) => [name, outsideOf(id).id]));
  const [outputs, updates] = [outerIds(program.outputs), outerIds(program.updates)];
  return {
    parts,
    outer: { nodes: outer.nodes, outputs, updates },
    body: { nodes: body.nodes, outputs: bodyOutputs, updates: new Map() },
    blocks,
    shared,
    sums,
    joined,
  };
}

function remember(known: Map<NodeId, Tensor>, id: NodeId, tensor: Tensor): Tensor {
  known.set(id, tensor);
  return tensor;
}

function source(builder: GraphBuilder, { op, shape, dtype }: GraphNode): Tensor {
  switch (op.kind) {
    case 'feed':
      return builder.feed(op.name, shape, dtype);
    case 'frozen':
      return builder.frozen(op.name, shape);
    case 'state':
      return builder.state(op.name, shape);
    default:
      return builder.emit(op, []);
  }
}

/** The op for one part: extents of axis 0 that it names become those of the part. */
function onPart(op: Op, parts: number): Op {
  switch (op.kind) {
    case 'reshape':
    case 'broadcast':
      return { ...op, shape: [op.shape[0]! / parts, ...op.shape.slice(1)] };
    case 'slice':
      return { ...op, ends: [op.ends[0]! / parts, ...op.ends.slice(1)] };
    default:
      return op;
  }
}
