import type { GraphNode, NodeId, Program, Weights } from '@kora-bench/core';
import { compositeKinds, countUses, InternalError, sourcesOf } from '@kora-bench/core';
import { bytesOf, OnnxGraph, typedArrayOf } from '../onnx/onnx-graph.js';
import type { ModelProto } from '../onnx/onnx-schema.js';
import type { NativeNode } from './emit-composite.js';
import { emitComposite, nativeComposites } from './emit-composite.js';
import type { PrimitiveNode } from './emit-primitive.js';
import { emitPrimitive } from './emit-primitive.js';
import { fuseScaledProduct } from './scaled-product.js';

/** How a node becomes ONNX operators: what it reads, and what writes it. */
export interface Emission {
  readonly inputs: readonly NodeId[];
  /** @returns the name of the node's value */
  emit(graph: OnnxGraph, inputs: readonly string[]): string;
}

/** Names of the model's inputs and outputs; each is the name in the program with its kind in front. */
export const feedName = (name: string): string => `feed:${name}`;
export const stateName = (name: string): string => `state:${name}`;
export const outputName = (name: string): string => `output:${name}`;
export const updateName = (name: string): string => `update:${name}`;

/**
 * Writes a program, lowered to primitives and {@link nativeComposites}, as one ONNX model: feeds and
 * states are inputs, frozen weights initializers, outputs and new values of states are outputs.
 */
export function exportProgram(program: Program, weights: Weights): ModelProto {
  const graph = new OnnxGraph();
  const emissions = planEmissions(program);
  const names = new Map<NodeId, string>();
  for (const { name, node } of sourcesOf(program, 'feed')) {
    names.set(node.id, graph.input(feedName(name), node.dtype, node.shape));
  }
  for (const { name, node } of sourcesOf(program, 'state')) {
    names.set(node.id, graph.input(stateName(name), node.dtype, node.shape));
  }
  for (const { name, node } of sourcesOf(program, 'frozen')) {
    const bytes = bytesOf(typedArrayOf('f32', weights.get(name)!.data));
    names.set(node.id, graph.initializer(`frozen:${name}`, 'f32', node.shape, bytes));
  }
  for (const node of program.nodes) {
    const emission = emissions.get(node.id);
    if (emission === undefined) continue;
    names.set(
      node.id,
      emission.emit(
        graph,
        emission.inputs.map((id) => names.get(id)!),
      ),
    );
  }
  const bind = (name: string, id: NodeId) => {
    const node = program.nodes[id]!;
    graph.node('Identity', [names.get(id)!], { name });
    graph.output(name, node.dtype, node.shape);
  };
  for (const [name, id] of program.outputs) bind(outputName(name), id);
  for (const [name, id] of program.updates) bind(updateName(name), id);
  return graph.model();
}

/** Decides, from the results down, which nodes are written and how; fused ones vanish in their reader. */
function planEmissions(program: Program): Map<NodeId, Emission> {
  const uses = countUses(program);
  const needed = new Uint8Array(program.nodes.length);
  for (const id of [...program.outputs.values(), ...program.updates.values()]) needed[id] = 1;
  const emissions = new Map<NodeId, Emission>();
  for (let id = program.nodes.length - 1; id >= 0; id--) {
    const node = program.nodes[id]!;
    if (needed[id] === 0) continue;
    const emission = planNode(program, node, uses);
    if (emission === undefined) continue;
    emissions.set(id, emission);
    for (const input of emission.inputs) needed[input] = 1;
  }
  return emissions;
}

function planNode(program: Program, node: GraphNode, uses: Uint32Array): Emission | undefined {
  const { op } = node;
  if (op.kind === 'feed' || op.kind === 'state' || op.kind === 'frozen') return undefined;
  if (op.kind === 'constant') {
    return { inputs: [], emit: (graph) => graph.constant(node.dtype, op.shape, op.data) };
  }
  const fused = fuseScaledProduct(program, node, uses);
  if (fused !== undefined) return fused;
  const operands = node.inputs.map((id) => program.nodes[id]!);
  if (isNative(node)) {
    return { inputs: node.inputs, emit: (graph, inputs) => emitComposite(graph, node, inputs, operands) };
  }
  if (!isPrimitive(node)) throw new InternalError(`${op.kind} was not lowered before the export.`);
  return { inputs: node.inputs, emit: (graph, inputs) => emitPrimitive(graph, node, inputs, operands) };
}

function isNative(node: GraphNode): node is NativeNode {
  return (nativeComposites as ReadonlySet<string>).has(node.op.kind);
}

const composite = new Set<string>(compositeKinds);

function isPrimitive(node: GraphNode): node is PrimitiveNode {
  return node.inputs.length > 0 && !composite.has(node.op.kind);
}
