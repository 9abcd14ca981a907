import { InternalError } from '@kora-bench/core/errors';
import type { GraphNode, NodeId, Program } from '@kora-bench/core/graph';
import { countUses } from '@kora-bench/core/graph';
import { compositeKinds } from '@kora-bench/core/ops';
import { nativeComposites } from '../rewrite/prepare-program.js';
import type { NativeNode } from './emit-composite.js';
import { emitComposite } from './emit-composite.js';
import type { PrimitiveNode } from './emit-primitive.js';
import { emitPrimitive } from './emit-primitive.js';
import type { Emission } from './plan-fusions.js';
import { planProduct, planSumOfSquares } from './plan-fusions.js';
import { planSplits } from './plan-splits.js';

/**
 * Decides, from the results down, which nodes are written and how; fused ones vanish in their reader.
 * @param alsoNeeded values that must exist beside the program's outputs and updates
 */
export function planEmissions(program: Program, alsoNeeded: readonly NodeId[] = []): Map<NodeId, Emission> {
  const uses = countUses(program);
  const needed = new Uint8Array(program.nodes.length);
  for (const id of alsoNeeded) uses[id]!++;
  for (const id of [...program.outputs.values(), ...program.updates.values(), ...alsoNeeded]) needed[id] = 1;
  const emissions = new Map<NodeId, Emission>();
  for (let id = program.nodes.length - 1; id >= 0; id--) {
    if (needed[id] === 0) continue;
    const emission = planNode(program, program.nodes[id]!, uses);
    if (emission === undefined) continue;
    emissions.set(id, emission);
    for (const input of emission.inputs) needed[input] = 1;
  }
  for (const [id, write] of planSplits(program, needed)) {
    emissions.set(id, {
      inputs: program.nodes[id]!.inputs,
      emit: (graph, [source]) => write(graph, source!),
    });
  }
  return emissions;
}

function planNode(program: Program, node: GraphNode, uses: Uint32Array): Emission | undefined {
  const { op } = node;
  if (op.kind === 'feed' || op.kind === 'state' || op.kind === 'frozen') return undefined;
  if (op.kind === 'constant') {
    return { inputs: [], emit: (graph) => graph.constant(node.dtype, op.shape, op.data) };
  }
  const product = planProduct(program, node, uses);
  if (product !== undefined) return product;
  const squares = planSumOfSquares(program, node, uses);
  if (squares !== undefined) return squares;
  const operands = node.inputs.map((id) => program.nodes[id]!);
  if (isNative(node)) {
    return { inputs: node.inputs, emit: (graph, inputs) => emitComposite(graph, node, inputs) };
  }
  if (!isPrimitive(node)) throw new InternalError(`${op.kind} was not lowered before the export.`);
  return { inputs: node.inputs, emit: (graph, inputs) => emitPrimitive(graph, node, inputs, operands) };
}

function isNative(node: GraphNode): node is NativeNode {
  return (nativeComposites as ReadonlySet<string>).has(node.op.kind);
}

const composites = new Set<string>(compositeKinds);

function isPrimitive(node: GraphNode): node is PrimitiveNode {
  return node.inputs.length > 0 && !composites.has(node.op.kind);
}
