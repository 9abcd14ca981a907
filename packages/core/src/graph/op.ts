import type { DType, HostData, Shape } from './shape.js';

/*
 * The closed op set. To add an op:
 *   1. its variant in the union below (primitive or composite);
 *   2. a file in `../ops/` with its builder function and its OpDefinition: all that passes know of it stands
 *      there, and what it leaves out is taken for the safe answer;
 *   3. its entry in `../ops/registry.ts`, and its builder function's in `../index.ts`;
 *   4. for a primitive, a case in every backend that has kernels of its own;
 *   5. an exemplar in `packages/conformance`.
 * The type checker asks for 3 and 4 (switches over ops are exhaustive), and of a primitive for a gradient
 * rule, of a composite for its lowering; the coverage test of conformance asks for 5.
 */

/** Elementwise functions of one real argument. */
export type UnaryFn = 'neg' | 'exp' | 'log' | 'sqrt' | 'tanh' | 'erf' | 'abs' | 'sign' | 'reciprocal';

/** Elementwise functions of two real arguments, with NumPy's broadcasting. */
export type BinaryFn = 'add' | 'sub' | 'mul' | 'div' | 'max' | 'min' | 'pow';

/** Elementwise comparisons, with NumPy's broadcasting; the result is `bool`. */
export type CompareFn = 'equal' | 'less' | 'greater';

export type ReduceFn = 'sum' | 'mean' | 'max';

/** Where a value comes from. A feed changes per call, a frozen weight never, a state per step. */
export type SourceOp =
  | { readonly kind: 'feed'; readonly name: string }
  | { readonly kind: 'frozen'; readonly name: string }
  | { readonly kind: 'state'; readonly name: string }
  | { readonly kind: 'constant'; readonly shape: Shape; readonly data: HostData };

/** Ops that every backend has kernels for. */
export type PrimitiveOp =
  | { readonly kind: 'unary'; readonly fn: UnaryFn }
  | { readonly kind: 'binary'; readonly fn: BinaryFn }
  | { readonly kind: 'compare'; readonly fn: CompareFn }
  | { readonly kind: 'where' }
  | { readonly kind: 'cast'; readonly to: DType }
  | {
      readonly kind: 'reduce';
      readonly fn: ReduceFn;
      readonly axes: readonly number[];
      readonly keepDims: boolean;
    }
  | { readonly kind: 'matmul'; readonly transposeA: boolean; readonly transposeB: boolean }
  | { readonly kind: 'reshape'; readonly shape: Shape }
  | { readonly kind: 'transpose'; readonly perm: readonly number[] }
  | { readonly kind: 'broadcast'; readonly shape: Shape }
  | { readonly kind: 'slice'; readonly starts: readonly number[]; readonly ends: readonly number[] }
  | { readonly kind: 'pad'; readonly before: readonly number[]; readonly after: readonly number[] }
  | { readonly kind: 'concat'; readonly axis: number }
  | { readonly kind: 'oneHot'; readonly depth: number };

/** Ops with a lowering into primitives; a backend has kernels for those that it is good at. */
export type CompositeOp =
  | { readonly kind: 'linear' }
  | { readonly kind: 'stopGradient' }
  | { readonly kind: 'standardize'; readonly eps: number }
  | { readonly kind: 'layerNorm'; readonly eps: number }
  | { readonly kind: 'layerNormGrad'; readonly eps: number }
  | { readonly kind: 'softmax' }
  | { readonly kind: 'softmaxGrad' }
  | { readonly kind: 'gelu' }
  | { readonly kind: 'geluGrad' }
  | { readonly kind: 'attention'; readonly scale: number }
  | { readonly kind: 'attentionStatistics'; readonly scale: number }
  | { readonly kind: 'attentionGrad'; readonly scale: number; readonly wrt: 'q' | 'k' | 'v' }
  | { readonly kind: 'crossEntropy'; readonly labelSmoothing: number }
  | { readonly kind: 'crossEntropyGrad'; readonly labelSmoothing: number };

export type Op = SourceOp | PrimitiveOp | CompositeOp;
export type OpKind = Op['kind'];
export type PrimitiveKind = PrimitiveOp['kind'];
export type CompositeKind = CompositeOp['kind'];
export type OpOf<K extends OpKind> = Extract<Op, { kind: K }>;
