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
    case 'standardize':
      return emitStandardized(graph, inputs[0]!, node.shape.at(-1)!, op.eps).normalized;
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

/** x̂ and 1/σ of `x` `[…, D]`. Equal ones are computed once: the gradients of x and of γ read the same. */
function emitStandardized(graph: OnnxGraph, x: string, width: number, eps: number) {
  const ones = graph.constant('f32', [width], new Float32Array(width).fill(1));
  const [normalized, , inverse] = graph.nodes('LayerNormalization', [x, ones], {
    attributes: { axis: { int: -1 }, epsilon: { float: eps } },
    outputs: 3,
  });
  return { normalized: normalized!, inverse: inverse! };
}

/**
 * With x̂ and 1/σ from LayerNormalization and g = dy·γ: (g − x̂·mean(g·x̂) − mean(g)) / σ, the means over
 * the last axis, as products of dy·x̂, which the gradient of γ needs too, and of dy with the column γ/D.
 */
function emitLayerNormGrad(
  graph: OnnxGraph,
  [x, gamma, dy]: readonly string[],
  width: number,
  eps: number,
): string {
  const { normalized, inverse } = emitStandardized(graph, x!, width, eps);
  const share = graph.node('Mul', [gamma!, graph.scalar(1 / width)]);
  const column = graph.node('Reshape', [share, graph.integers([width, 1])]);
  const weightedMean = (value: string) => graph.node('MatMul', [value, column]);
  const along = graph.node('Mul', [normalized, weightedMean(graph.node('Mul', [dy!, normalized]))]);
  const g = graph.node('Mul', [dy!, gamma!]);
  const centred = graph.node('Sub', [graph.node('Sub', [g, along]), weightedMean(dy!)]);
  return graph.node('Mul', [centred, inverse]);
}
