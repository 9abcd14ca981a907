import type { Graph, NodeId, Program } from '../graph/graph.js';
import type { Shape } from '../graph/shape.js';
import { sizeOf } from '../graph/shape.js';
import { structuralHashes } from '../graph/structural-key.js';
import type { ExampleAxis } from '../ops/definition.js';
import { definitionOf } from '../ops/registry.js';
import type { Tensor } from '../tensor/tensor.js';
import { GraphBuilder } from '../tracing/graph-builder.js';
import { programCost } from './cost.js';
import { makeProgram, reemit } from './rewrite.js';

/**
 * Follows the batch axis from the feeds named in `perExample` (axis 0 there) through the graph, by what each
 * op tells of itself. Conservative: what it cannot prove independent is `mixed`. Everything that depends on
 * other feeds or on states counts as `none` here; the caller tells those apart.
 */
export function exampleAxes(graph: Graph, perExample: ReadonlySet<string>): ExampleAxis[] {
  const axes: ExampleAxis[] = [];
  for (const node of graph.nodes) {
    const { op } = node;
    const operands = node.inputs.map((id) => ({ axis: axes[id]!, shape: graph.nodes[id]!.shape }));
    if (op.kind === 'feed') axes.push(perExample.has(op.name) ? 0 : 'none');
    else if (operands.every(({ axis }) => axis === 'none')) axes.push('none');
    else if (operands.some(({ axis }) => axis === 'mixed')) axes.push('mixed');
    else axes.push(definitionOf(op).exampleAxis?.(op, operands, node) ?? 'mixed');
  }
  return axes;
}

/** A value at the border between the frozen prefix and the rest, kept once per example. */
export interface CachedValue {
  /** Output name in `prefix`, feed name in `rest`; equal expressions have equal names in all programs. */
  readonly name: string;
  /** Shape of a whole batch, examples along axis 0. */
  readonly shape: Shape;
}

export interface Partition {
  /** From the per-example feeds and frozen weights alone to the cached values. */
  readonly prefix: Program;
  /** The program with the cached values as feeds. */
  readonly rest: Program;
  readonly values: readonly CachedValue[];
  /** FLOPs per run. */
  readonly prefixFlops: number;
  readonly restFlops: number;
  /** Size of all cached values of one example in float32. */
  readonly bytesPerExample: number;
}

/**
 * Splits a program into what depends on the images and frozen weights alone, and the trainable rest.
 * Without augmentation the first part is the same in every epoch, so its values can be kept.
 * @param perExample names of the feeds that hold one example per position of axis 0
 * @returns `undefined` where nothing of the program is a frozen function of single examples
 */
export function partitionFrozenPrefix(
  program: Program,
  perExample: ReadonlySet<string>,
): Partition | undefined {
  const axes = exampleAxes(program, perExample);
  const frozen = frozenNodes(program, perExample);
  // Kept values are stored as floats, so a mask or an index is rebuilt from what it was made of.
  const keepable = (id: NodeId) => {
    const { op, dtype } = program.nodes[id]!;
    return frozen[id] === 1 && axes[id] === 0 && op.kind !== 'feed' && dtype === 'f32';
  };
  const border = borderOf(program, frozen, keepable);
  if (border === undefined || border.size === 0) return undefined;

  const hashes = structuralHashes(program);
  const nameOf = (id: NodeId) => `cached:${hashes.get(id)!}`;
  const rest = rebuild(program, (id, builder) => {
    return border.has(id) ? builder.feed(nameOf(id), program.nodes[id]!.shape) : undefined;
  });
  const prefixTensors = rebuildAll(program, () => undefined);
  const prefix = makeProgram(
    Object.fromEntries([...border].map((id) => [nameOf(id), prefixTensors.get(id)!])),
  );
  const values = [...border].map((id) => ({ name: nameOf(id), shape: program.nodes[id]!.shape }));
  return {
    prefix,
    rest,
    values,
    prefixFlops: programCost(prefix).flops,
    restFlops: programCost(rest).flops,
    bytesPerExample: values.reduce((sum, { shape }) => sum + 4 * sizeOf(shape.slice(1)), 0),
  };
}

/** Marks what depends on nothing but per-example feeds, frozen weights and constants. */
function frozenNodes(program: Program, perExample: ReadonlySet<string>): Uint8Array {
  const frozen = new Uint8Array(program.nodes.length);
  for (const node of program.nodes) {
    const { op } = node;
    const source =
      op.kind === 'frozen' || op.kind === 'constant' || (op.kind === 'feed' && perExample.has(op.name));
    frozen[node.id] =
      source || (node.inputs.length > 0 && node.inputs.every((id) => frozen[id] === 1)) ? 1 : 0;
  }
  return frozen;
}

/**
 * The frozen per-example values that the rest reads. A value that merely rearranges, repeats or joins kept
 * values is rebuilt in the rest instead.
 * @returns `undefined` when the rest reads the raw feeds, so that caching could not avoid the images
 */
function borderOf(
  program: Program,
  frozen: Uint8Array,
  keepable: (id: NodeId) => boolean,
): Set<NodeId> | undefined {
  const read = new Set<NodeId>();
  for (const node of program.nodes)
    if (frozen[node.id] === 0) for (const id of node.inputs) if (frozen[id] === 1) read.add(id);
  for (const id of [...program.outputs.values(), ...program.updates.values()])
    if (frozen[id] === 1) read.add(id);

  const border = new Set<NodeId>();
  const pending = [...read];
  const seen = new Set<NodeId>();
  while (pending.length > 0) {
    const id = pending.pop()!;
    if (seen.has(id)) continue;
    seen.add(id);
    const node = program.nodes[id]!;
    if (node.op.kind === 'frozen' || node.op.kind === 'constant') continue;
    const again = definitionOf(node.op).rearranges !== undefined && node.inputs.every(keepable);
    if (keepable(id) && !again) border.add(id);
    else if (node.op.kind === 'feed') return undefined;
    else pending.push(...node.inputs);
  }
  return border;
}

type Replace = (id: NodeId, builder: GraphBuilder) => Tensor | undefined;

function rebuildAll(program: Program, replace: Replace): Map<NodeId, Tensor> {
  const builder = new GraphBuilder();
  const rebuilt = new Map<NodeId, Tensor>();
  for (const node of program.nodes) {
    const inputs = node.inputs.map((id) => rebuilt.get(id)!);
    rebuilt.set(node.id, replace(node.id, builder) ?? reemit(node, inputs, builder));
  }
  return rebuilt;
}

function rebuild(program: Program, replace: Replace): Program {
  const tensors = rebuildAll(program, replace);
  const pick = (ids: ReadonlyMap<string, NodeId>) =>
    Object.fromEntries([...ids].map(([name, id]) => [name, tensors.get(id)!]));
  return makeProgram(pick(program.outputs), pick(program.updates));
}
