import type { OnnxGraph } from '../onnx/onnx-graph.js';

/** `alpha · a · b + beta · c`, with the last two axes of `a` and `b` exchanged where asked. */
export interface Product {
  readonly a: string;
  readonly b: string;
  readonly rankA: number;
  readonly rankB: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  /** 1 by default. */
  readonly alpha?: number;
  /** 1 by default. */
  readonly beta?: number;
  /** Broadcasts to the result; only where both operands are matrices. */
  readonly c?: string;
}

/**
 * Writes a matrix product without copying an operand: Gemm for two matrices, else onnxruntime's
 * FusedMatMul (https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md).
 */
export function emitProduct(graph: OnnxGraph, product: Product): string {
  const { a, b, alpha = 1, beta = 1, c } = product;
  const flag = (set: boolean) => ({ int: set ? 1 : 0 });
  if (product.rankA === 2 && product.rankB === 2) {
    return graph.node('Gemm', c === undefined ? [a, b] : [a, b, c], {
      attributes: {
        transA: flag(product.transposeA),
        transB: flag(product.transposeB),
        alpha: { float: alpha },
        beta: { float: beta },
      },
    });
  }
  return graph.node('FusedMatMul', [a, b], {
    domain: 'com.microsoft',
    attributes: {
      transA: flag(product.transposeA),
      transB: flag(product.transposeB),
      alpha: { float: alpha },
    },
  });
}
