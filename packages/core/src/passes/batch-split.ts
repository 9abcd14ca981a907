import { InternalError } from '../errors/kora-error.js';
import type { GraphNode, NodeId, Program } from '../graph/graph.js';
import { GraphBuilder } from '../graph/graph-builder.js';
import type { Op } from '../graph/op.js';
import type { Shape } from '../graph/shape.js';
import { formatShape, sameShape } from '../graph/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import type { BatchCut } from './batch-cut.js';

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
 * Cuts a program along the batch, so that only one part's values are in memory. What one example has to do
 * with another (sums of gradients, the loss) is added up part by part or done afterwards.
 * @param repeats whether each part computes a value anew that depends on no example, rather than being
 *   handed it; asked of states (each part then reads the state itself) and of ops
 */
export function splitBatch(
  program: Program,
  { parts, places, cuts }: BatchCut,
  repeats: (node: GraphNode) => boolean = () => false,
): BatchSplit {
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
  const partOf = (shape: Shape): Shape => [shape[0]! / parts, ...shape.slice(1)];

  const block = (id: NodeId): Tensor =>
    inside.get(id) ?? remember(inside, id, spreadBlock(program.nodes[id]!) ?? blockFeed(program.nodes[id]!));
  const spreadBlock = (node: GraphNode): Tensor | undefined => {
    const { op, shape, inputs, scope } = node;
    if (op.kind !== 'broadcast' || places[node.id] !== 'before' || !repeats(node)) return undefined;
    const operand = program.nodes[inputs[0]!]!;
    const spread = operand.shape.length < shape.length || operand.shape[0] === 1;
    return spread ? body.emit(onPart(op, parts), [whole(operand.id)], scope) : undefined;
  };
  const blockFeed = ({ id, shape, dtype, scope }: GraphNode): Tensor => {
    const feed = `block:${id}`;
    blocks.push({ feed, outer: outside.get(id)!.id });
    return body.withinScope(scope, () => body.feed(feed, partOf(shape), dtype));
  };
  const whole = (id: NodeId): Tensor =>
    wholeInside.get(id) ?? remember(wholeInside, id, repeated(program.nodes[id]!) ?? sharedFeed(id));
  const repeated = (node: GraphNode): Tensor | undefined => {
    const { op, shape, inputs, scope } = node;
    if (op.kind === 'constant' || op.kind === 'frozen') return source(body, node);
    if (op.kind === 'feed' || !repeats(node)) return undefined;
    return op.kind === 'state' ? body.state(op.name, shape) : body.emit(op, inputs.map(whole), scope);
  };
  const sharedFeed = (id: NodeId): Tensor => {
    const { shape, dtype, scope } = program.nodes[id]!;
    const feed = `shared:${id}`;
    shared.push({ feed, outer: outside.get(id)!.id });
    return body.withinScope(scope, () => body.feed(feed, shape, dtype));
  };
  const outsideOf = (id: NodeId): Tensor => outside.get(id) ?? remember(outside, id, joinedFeed(id));
  const joinedFeed = (id: NodeId): Tensor => {
    const { shape, dtype, scope } = program.nodes[id]!;
    const name = `joined:${id}`;
    joined.push({ output: name, feed: name });
    bodyOutputs.set(name, inside.get(id)!.id);
    return outer.withinScope(scope, () => outer.feed(name, shape, dtype));
  };
  const inBody = (node: GraphNode, op: Op, shape: Shape): Tensor => {
    const cut = cuts.get(node.id)!;
    const inputs = node.inputs.map((id, i) => (cut[i] ? block(id) : whole(id)));
    const result = body.emit(op, inputs, node.scope);
    if (sameShape(result.shape, shape)) return result;
    throw new InternalError(`Cutting the batch changed the shape of ${op.kind}.`, {
      expected: formatShape(shape),
      received: formatShape(result.shape),
    });
  };
  const summedFeed = (node: GraphNode): Tensor => {
    const name = `sum:${node.id}`;
    sums.push({ output: name, feed: name });
    bodyOutputs.set(name, inBody(node, node.op, node.shape).id);
    return outer.withinScope(node.scope, () => outer.feed(name, node.shape, node.dtype));
  };

  for (const node of program.nodes) {
    const { id, op, inputs, scope } = node;
    const place = places[id]!;
    if (inputs.length === 0) outside.set(id, source(outer, node));
    else if (place === 'body') inside.set(id, inBody(node, onPart(op, parts), partOf(node.shape)));
    else if (place === 'sum') outside.set(id, summedFeed(node));
    else outside.set(id, outer.emit(op, inputs.map(outsideOf), scope));
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
