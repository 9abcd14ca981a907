import type { NodeId, Program, Weights } from '@kora-bench/core/graph';
import { sourcesOf } from '@kora-bench/core/graph';
import type { BatchSplit } from '@kora-bench/core/passes';
import type { WeightFile } from '../engine/weight-file.js';
import { bytesOf, OnnxGraph, typedArrayOf } from '../onnx/onnx-graph.js';
import type { ModelProto } from '../onnx/onnx-schema.js';
import type { PreparedProgram } from '../rewrite/prepare-program.js';

import { emitScan } from './emit-scan.js';
import { planEmissions } from './plan-emissions.js';
import type { Emission } from './plan-fusions.js';

/** Names of the model's inputs and outputs; each is the name in the program with its kind in front. */
export const feedName = (name: string): string => `feed:${name}`;
export const stateName = (name: string): string => `state:${name}`;
export const outputName = (name: string): string => `output:${name}`;
export const updateName = (name: string): string => `update:${name}`;
const frozenName = (name: string): string => `frozen:${name}`;

/**
 * Writes a prepared program as one ONNX model: feeds and states are inputs, frozen weights initializers,
 * outputs and new values of states are outputs. A program that is cut along the batch runs its body in
 * an ONNX Scan.
 * @param file for the frozen weights that are worth it
 */
export function exportProgram(
  { program, split }: PreparedProgram,
  weights: Weights,
  file: WeightFile,
): ModelProto {
  const graph = new OnnxGraph();
  const outer = split?.outer ?? program;
  const fromBody = new Set([...(split?.sums ?? []), ...(split?.joined ?? [])].map(({ feed }) => feed));
  const names = new Map<NodeId, string>();
  for (const { name, node } of sourcesOf(outer, 'feed')) {
    if (!fromBody.has(name)) names.set(node.id, graph.input(feedName(name), node.dtype, node.shape));
  }
  for (const { name, node } of sourcesOf(outer, 'state')) {
    names.set(node.id, graph.input(stateName(name), node.dtype, node.shape));
  }
  for (const { name, node } of sourcesOf(program, 'frozen')) {
    const { data } = weights.get(name)!;
    const bytes = bytesOf(typedArrayOf(node.dtype, data));
    const place = file.place(data, bytes);
    if (place === undefined) graph.initializer(frozenName(name), node.dtype, node.shape, bytes);
    else graph.externalInitializer(frozenName(name), node.dtype, node.shape, place);
  }
  nameFrozen(outer, names);

  const readByBody = [...(split?.blocks ?? []), ...(split?.shared ?? [])].map(({ outer: id }) => id);
  const emissions = planEmissions(outer, readByBody);
  const afterBody = dependents(outer, fromBody);
  writeEmissions(graph, { program: outer, emissions, names }, (id) => afterBody[id] === 0);
  if (split !== undefined) writeBody(graph, split, names);
  writeEmissions(graph, { program: outer, emissions, names }, (id) => afterBody[id] === 1);

  const results = [
    ...[...outer.outputs].map(([name, id]) => [outputName(name), id] as const),
    ...[...outer.updates].map(([name, id]) => [updateName(name), id] as const),
  ];
  const renamed = new Map<string, string>();
  for (const [name, id] of results) {
    const { dtype, shape } = outer.nodes[id]!;
    const value = names.get(id)!;
    const seenByBody = split !== undefined && afterBody[id] === 0;
    if (graph.writes(value) && !seenByBody && !renamed.has(value)) renamed.set(value, name);
    else graph.node('Identity', [value], { name });
    graph.output(name, dtype, shape);
  }
  graph.rename(renamed);
  return graph.model();
}

/** Writes the body's graph and the Scan that runs it, and names the outer feeds that stand for its results. */
function writeBody(graph: OnnxGraph, split: BatchSplit, outerNames: Map<NodeId, string>): void {
  const { body, outer } = split;
  const inner = new OnnxGraph('part:');
  const shared = new Map(split.shared.map(({ feed, outer: id }) => [feed, outerNames.get(id)!]));
  const names = new Map<NodeId, string>();
  nameFrozen(body, names);
  for (const { name, node } of sourcesOf(body, 'feed')) {
    names.set(node.id, shared.get(name) ?? `part:${name}`);
  }
  const emissions = planEmissions(body);
  const results = emitScan(graph, split, outerNames, {
    inner,
    writeBody() {
      writeEmissions(inner, { program: body, emissions, names }, () => true);
      return (output) => names.get(body.outputs.get(output)!)!;
    },
  });
  for (const { name, node } of sourcesOf(outer, 'feed')) {
    const result = results.get(name);
    if (result !== undefined) outerNames.set(node.id, result);
  }
}

function nameFrozen(program: Program, names: Map<NodeId, string>): void {
  for (const { name, node } of sourcesOf(program, 'frozen')) names.set(node.id, frozenName(name));
}

interface Planned {
  readonly program: Program;
  readonly emissions: ReadonlyMap<NodeId, Emission>;
  /** The names of the values that are there; grows with every node that is written. */
  readonly names: Map<NodeId, string>;
}

function writeEmissions(
  graph: OnnxGraph,
  { program, emissions, names }: Planned,
  chosen: (id: NodeId) => boolean,
): void {
  for (const { id } of program.nodes) {
    const emission = emissions.get(id);
    if (emission === undefined || !chosen(id)) continue;
    names.set(
      id,
      emission.emit(
        graph,
        emission.inputs.map((input) => names.get(input)!),
      ),
    );
  }
}

/** Marks what depends on one of the feeds named in `feeds`. */
function dependents({ nodes }: Program, feeds: ReadonlySet<string>): Uint8Array {
  const marks = new Uint8Array(nodes.length);
  for (const { id, op, inputs } of nodes) {
    const marked = op.kind === 'feed' ? feeds.has(op.name) : inputs.some((input) => marks[input] === 1);
    marks[id] = marked ? 1 : 0;
  }
  return marks;
}
