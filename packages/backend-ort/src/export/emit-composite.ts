import type { CompositeOp, GraphNode } from '@kora-bench/core/graph';
import type { OnnxGraph } from '../onnx/onnx-graph.js';
import type { NativeKind } from '../rewrite/prepare-program.js';

/** A node whose op is a native composite; `linear` is planned with the matrix products. */
export type NativeNode = GraphNode & {
  readonly op: Extract<CompositeOp, { kind: Exclude<NativeKind, 'linear'> }>;
};

/** Writes one native composite; see {@link emitPrimitive}. */
export function emitComposite(graph: OnnxGraph, node: NativeNode, inputs: readonly string[]): string {
  const { op } = node;
  switch (op.kind) {
    case 'layerNorm':
      return graph.node('LayerNormalization', inputs, {
        attributes: { axis: { int: -1 }, epsilon: { float: op.eps } },
      });
    case 'layerNormGrad':
      return emitLayerNormGrad(graph, inputs, node.shape.at(-1)!, op.eps);
    case 'softmax':
      return graph.node('Softmax', inputs, { attributes: { axis: { int: -1 } } });
    case 'gelu':
      return graph.node('Gelu', inputs);
    default:
      return op satisfies never;
  }
}

/**
 * With x̂ and 1/σ from LayerNormalization and g = dy·γ: (g − x̂·mean(g·x̂) − mean(g)) / σ, the means over
 * the last axis.
 */
function emitLayerNormGrad(
  graph: OnnxGraph,
  [x, gamma, dy]: readonly string[],
  width: number,
  eps: number,
): string {
  const ones = graph.constant('f32', [width], new Float32Array(width).fill(1));
  const [normalized, , inverse] = graph.nodes('LayerNormalization', [x!, ones], {
    attributes: { axis: { int: -1 }, epsilon: { float: eps } },
    outputs: 3,
  });
  const mean = (value: string) =>
    graph.node('ReduceMean', [value, graph.integers([-1])], { attributes: { keepdims: { int: 1 } } });
  const g = graph.node('Mul', [dy!, gamma!]);
  const along = graph.node('Mul', [normalized!, mean(graph.node('Mul', [g, normalized!]))]);
  const centred = graph.node('Sub', [graph.node('Sub', [g, along]), mean(g)]);
  return graph.node('Mul', [centred, inverse!]);
}
