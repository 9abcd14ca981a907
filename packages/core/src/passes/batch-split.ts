import { InternalError } from '../errors/kora-error.js';
import type { GraphNode, NodeId, Program } from '../graph/graph.js';
import type { Op } from '../graph/op.js';
import type { Shape } from '../graph/shape.js';
import { formatShape, sameShape } from '../graph/shape.js';
import { blockShape } from '../ops/axis-rules.js';
import { definitionOf } from '../ops/registry.js';
import type { Tensor } from '../tensor/tensor.js';
import { GraphBuilder } from '../tracing/graph-builder.js';
import type { BatchCut } from './batch-cut.js';
import { reemit } from './rewrite.js';

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
 *
 * Three stages, each a function of the program, the cut and the stages before:
 *   1. `resultsOf` lists what the parts hand out: each value once, every sum, and of the values in `body` those
 *      that an output, an update or a node outside of the parts reads.
 *   2. `buildBody` makes the program of one part. It computes every node in `body` and `sum`, once, and has
 *      the results as its outputs. All else that these nodes read is in `before`: it comes in as a feed, once
 *      per form (in blocks or whole), or is made again.
 *   3. `buildOuter` makes the program around it. It computes every node in `before` and `after`, once, has the
 *      outputs and updates of the whole program, and has one feed per result.
 * @param repeats whether each part computes a value anew that depends on no example, rather than being
 *   handed it; asked of states (each part then reads the state itself) and of ops
 */
export function splitBatch(
  program: Program,
  cut: BatchCut,
  repeats: (node: GraphNode) => boolean = () => false,
): BatchSplit {
  const results = resultsOf(program, cut);
  const body = buildBody(program, cut, results, repeats);
  const outer = buildOuter(program, cut, results);
  const input = (form: 'block' | 'shared') => (id: NodeId) => ({
    feed: feedName(form, id),
    outer: outer.ids.get(id)!,
  });
  const passedOn = (form: 'sum' | 'joined') =>
    results.filter((result) => result.form === form).map(({ name }) => ({ output: name, feed: name }));
  return {
    parts: cut.parts,
    outer: outer.program,
    body: body.program,
    blocks: body.blocks.map(input('block')),
    shared: body.shared.map(input('shared')),
    sums: passedOn('sum'),
    joined: passedOn('joined'),
  };
}

/** A value that the parts hand out: summed over them, or joined along axis 0. */
interface Result {
  readonly form: 'sum' | 'joined';
  readonly id: NodeId;
  readonly name: string;
}

function feedName(form: 'block' | 'shared' | 'sum' | 'joined', id: NodeId): string {
  return `${form}:${id}`;
}

/** Stage 1: all sums, and the values in parts that something outside of them reads, in order of need. */
function resultsOf({ nodes, outputs, updates }: Program, { places }: BatchCut): readonly Result[] {
  const results = new Map<NodeId, Result>();
  const add = (form: Result['form'], id: NodeId) => {
    if (!results.has(id)) results.set(id, { form, id, name: feedName(form, id) });
  };
  const join = (id: NodeId) => {
    if (places[id] === 'body' && nodes[id]!.inputs.length > 0) add('joined', id);
  };
  for (const { id, inputs } of nodes) {
    if (places[id] === 'sum') add('sum', id);
    else if (places[id] !== 'body') inputs.forEach(join);
  }
  for (const id of [...outputs.values(), ...updates.values()]) join(id);
  return [...results.values()];
}

/** The program of one part, and the values of the whole program that it is fed. */
interface Body {
  readonly program: Program;
  /** Fed in blocks along axis 0. */
  readonly blocks: readonly NodeId[];
  /** Fed whole. */
  readonly shared: readonly NodeId[];
}

/** Stage 2: what the parts compute. */
function buildBody(
  { nodes }: Program,
  { places, rules, parts }: BatchCut,
  results: readonly Result[],
  repeats: (node: GraphNode) => boolean,
): Body {
  const builder = new GraphBuilder();
  const blocks = new Map<NodeId, Tensor>();
  const sums = new Map<NodeId, Tensor>();
  const wholes = new Map<NodeId, Tensor>();
  const fed = { block: [] as NodeId[], shared: [] as NodeId[] };

  const feed = (form: 'block' | 'shared', { id, shape, dtype, scope }: GraphNode): Tensor => {
    fed[form].push(id);
    const own = form === 'block' ? blockShape(shape, parts) : shape;
    return builder.withinScope(scope, () => builder.feed(feedName(form, id), own, dtype));
  };
  const repeated = (node: GraphNode): Tensor | undefined => {
    const { kind } = node.op;
    if (kind === 'feed' || (kind !== 'constant' && kind !== 'frozen' && !repeats(node))) return undefined;
    return reemit(node, node.inputs.map(whole), builder);
  };
  const equalBlock = (node: GraphNode): Tensor | undefined => {
    if (places[node.id] !== 'before' || !repeats(node)) return undefined;
    const operands = node.inputs.map((id) => nodes[id]!);
    const op = definitionOf(node.op).equalBlock?.(node.op, operands, node, parts);
    return op && builder.emit(op, node.inputs.map(whole), node.scope);
  };
  const whole = (id: NodeId): Tensor =>
    recall(wholes, id, () => repeated(nodes[id]!) ?? feed('shared', nodes[id]!));
  const block = (id: NodeId): Tensor =>
    recall(blocks, id, () => equalBlock(nodes[id]!) ?? feed('block', nodes[id]!));

  for (const node of nodes) {
    const rule = rules.get(node.id);
    if (rule === undefined) continue;
    const inputs = node.inputs.map((id, i) => (rule.cut[i] ? block(id) : whole(id)));
    const op = (rule.kind === 'blocks' && rule.op) || node.op;
    const value = builder.emit(op, inputs, node.scope);
    requireShapeOf(value, op, rule.kind === 'sum' ? node.shape : blockShape(node.shape, parts));
    (rule.kind === 'sum' ? sums : blocks).set(node.id, value);
  }
  const output = ({ id, form }: Result) => (form === 'sum' ? sums : blocks).get(id)!.id;
  return {
    program: {
      nodes: builder.nodes,
      outputs: new Map(results.map((result) => [result.name, output(result)])),
      updates: new Map(),
    },
    blocks: fed.block,
    shared: fed.shared,
  };
}

/** Stage 3: the program around the parts, and where it has the values that it computes or is fed. */
function buildOuter(
  { nodes, outputs, updates }: Program,
  { places }: BatchCut,
  results: readonly Result[],
): { readonly program: Program; readonly ids: ReadonlyMap<NodeId, NodeId> } {
  const builder = new GraphBuilder();
  const names = new Map(results.map(({ id, name }) => [id, name]));
  const values = new Map<NodeId, Tensor>();
  const result = ({ id, shape, dtype, scope }: GraphNode): Tensor =>
    builder.withinScope(scope, () => builder.feed(names.get(id)!, shape, dtype));
  const value = (id: NodeId): Tensor => recall(values, id, () => result(nodes[id]!));

  for (const node of nodes) {
    const { id, inputs } = node;
    if (places[id] === 'sum') value(id);
    else if (places[id] !== 'body' || inputs.length === 0)
      values.set(id, reemit(node, inputs.map(value), builder));
  }
  const idsOf = (roots: ReadonlyMap<string, NodeId>) =>
    new Map([...roots].map(([name, id]) => [name, value(id).id]));
  const [outerOutputs, outerUpdates] = [idsOf(outputs), idsOf(updates)];
  return {
    program: { nodes: builder.nodes, outputs: outerOutputs, updates: outerUpdates },
    ids: new Map([...values].map(([id, tensor]) => [id, tensor.id])),
  };
}

/** The value known for `id`, made the first time. */
function recall(known: Map<NodeId, Tensor>, id: NodeId, make: () => Tensor): Tensor {
  const value = known.get(id) ?? make();
  known.set(id, value);
  return value;
}

/** @throws InternalError where the rule of an op for blocks contradicts its shape rule */
function requireShapeOf(value: Tensor, op: Op, expected: Shape): void {
  if (sameShape(value.shape, expected)) return;
  throw new InternalError(`Cutting the batch changed the shape of ${op.kind}.`, {
    expected: formatShape(expected),
    received: formatShape(value.shape),
  });
}
