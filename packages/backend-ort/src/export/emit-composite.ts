import type { CompositeKind, CompositeOp, GraphNode } from '@kora-bench/core';
import { sizeOf } from '@kora-bench/core';
import type { OnnxGraph } from '../onnx/onnx-graph.js';
import { emitProduct } from './emit-product.js';

/** Composites that onnxruntime has an operator for. */
const native = ['linear', 'layerNorm', 'softmax', 'gelu'] as const satisfies readonly CompositeKind[];
type NativeKind = (typeof native)[number];

export const nativeComposites: ReadonlySet<CompositeKind> = new Set(native);

/** A node whose op is a composite with an operator of its own. */
export type NativeNode = GraphNode & { readonly op: Extract<CompositeOp, { kind: NativeKind }> };

/** Writes one native composite; see {@link emitPrimitive}. */
export function emitComposite(
  graph: OnnxGraph,
  node: NativeNode,
  inputs: readonly string[],
  operands: readonly GraphNode[],
): string {
  const { op } = node;
  switch (op.kind) {
    case 'linear':
      return emitLinear(graph, node, inputs, operands);
    case 'layerNorm':
      return graph.node('LayerNormalization', inputs, {
        attributes: { axis: { int: -1 }, epsilon: { float: op.eps } },
      });
    case 'softmax':
      return graph.node('Softmax', inputs, { attributes: { axis: { int: -1 } } });
    case 'gelu':
      return graph.node('Gelu', inputs);
    default:
      return op satisfies never;
  }
}

function emitLinear(
  graph: OnnxGraph,
  node: NativeNode,
  [x, weight, bias]: readonly string[],
  operands: readonly GraphNode[],
): string {
  const [input, { shape }] = [operands[0]!, operands[1]!];
  const flat = input.shape.length === 2;
  const rows = flat
    ? x!
    : graph.node('Reshape', [x!, graph.integers([sizeOf(input.shape) / shape[1]!, shape[1]!])]);
  const product = emitProduct(graph, {
    a: rows,
    b: weight!,
    rankA: 2,
    rankB: 2,
    transposeA: false,
    transposeB: true,
    ...(bias === undefined ? {} : { c: bias }),
  });
  return flat ? product : graph.node('Reshape', [product, graph.integers(node.shape)]);
}
