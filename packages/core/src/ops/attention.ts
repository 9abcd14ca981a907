import { sameShape, sizeOf } from '../graph/shape.js';
import type { HostTensor } from '../tensor/host-tensor.js';
import type { Tensor } from '../tensor/tensor.js';
import type { OpDefinition, Typed } from './definition.js';
import { mul } from './elementwise.js';
import { fill } from './evaluation.js';
import { matmul, matmulDefinition } from './matmul.js';
import { requireDType, requireShape } from './requirements.js';
import { softmax, softmaxDefinition, softmaxGrad, softmaxGradDefinition } from './softmax.js';

/*
 * Scaled dot-product attention (Vaswani et al. 2017), without mask: P = softmax(scale·q·kᵀ), o = P·v.
 * Adjoints: dv = Pᵀ·do, dP = do·vᵀ, dS = softmaxGrad(P, dP), dq = scale·dS·k, dk = scale·dSᵀ·q.
 * The three adjoints are separate ops, so that one which nobody needs is not computed and a fused
 * backend can write each without the scores in memory; unfused, they share P and dS as common
 * subexpressions.
 */

export const attentionDefinition: OpDefinition<'attention'> = {
  infer(_op, [q, k, v]) {
    requireDType('attention', 'f32', q!, k!, v!);
    const batch = q!.shape.slice(0, -2);
    const fits =
      q!.rank >= 2 &&
      sameShape([...batch, k!.shape.at(-2)!, q!.shape.at(-1)!], k!.shape) &&
      sameShape([...batch, k!.shape.at(-2)!, v!.shape.at(-1)!], v!.shape);
    requireShape(
      fits,
      'attention cannot combine q, k and v.',
      'q […, N, d], k […, M, d], v […, M, e]',
      q!,
      k!,
      v!,
    );
    return { shape: [...q!.shape.slice(0, -1), v!.shape.at(-1)!], dtype: 'f32' };
  },
  evaluate(op, [q, k, v], output) {
    return product(probabilities(q!, k!, op.scale), v!, false, false, output);
  },
  gradient(op, { inputs, dy, needs }) {
    const adjoint = (wrt: 'q' | 'k' | 'v') =>
      dy.builder.emit({ kind: 'attentionGrad', scale: op.scale, wrt }, [...inputs, dy]);
    return [
      needs(0) ? adjoint('q') : undefined,
      needs(1) ? adjoint('k') : undefined,
      needs(2) ? adjoint('v') : undefined,
    ];
  },
  lower(op, [q, k, v]) {
    return matmul(softmax(mul(matmul(q!, k!, { transposeB: true }), op.scale)), v!);
  },
  flops(_op, [q, k, v]) {
    const scores = (sizeOf(q!.shape) / q!.shape.at(-1)!) * k!.shape.at(-2)!;
    return scores * (2 * q!.shape.at(-1)! + 2 * v!.shape.at(-1)! + 6);
  },
};

export const attentionGradDefinition: OpDefinition<'attentionGrad'> = {
  infer(op, [q, k, v]) {
    return { shape: { q: q!, k: k!, v: v! }[op.wrt].shape, dtype: 'f32' };
  },
  evaluate(op, [q, k, v, dy], output) {
    const p = probabilities(q!, k!, op.scale);
    if (op.wrt === 'v') return product(p, dy!, true, false, output);
    const dp = product(dy!, v!, false, true, p);
    const ds = softmaxGradDefinition.evaluate({ kind: 'softmaxGrad' }, [p, dp], p);
    const raw = op.wrt === 'q' ? product(ds, k!, false, false, output) : product(ds, q!, true, false, output);
    return fill(output, (i) => op.scale * raw.data[i]!);
  },
  lower(op, [q, k, v, dy]) {
    const p = softmax(mul(matmul(q!, k!, { transposeB: true }), op.scale));
    if (op.wrt === 'v') return matmul(p, dy!, { transposeA: true });
    const ds = mul(softmaxGrad(p, matmul(dy!, v!, { transposeB: true })), op.scale);
    return op.wrt === 'q' ? matmul(ds, k!) : matmul(ds, q!, { transposeA: true });
  },
  flops(op, [q, k, v]) {
    const scores = (sizeOf(q!.shape) / q!.shape.at(-1)!) * k!.shape.at(-2)!;
    const [d, e] = [q!.shape.at(-1)!, v!.shape.at(-1)!];
    // The scores are the forward pass's; dP and dS are counted once, with dq.
    if (op.wrt === 'q') return scores * (2 * e + 5 + 2 * d);
    return scores * 2 * (op.wrt === 'k' ? d : e);
  },
};

function probabilities(q: HostTensor, k: HostTensor, scale: number): HostTensor {
  const type: Typed = { shape: [...q.shape.slice(0, -1), k.shape.at(-2)!], dtype: 'f32' };
  const scores = product(q, k, false, true, type);
  return softmaxDefinition.evaluate({ kind: 'softmax' }, [fill(type, (i) => scale * scores.data[i]!)], type);
}

function product(
  a: HostTensor,
  b: HostTensor,
  transposeA: boolean,
  transposeB: boolean,
  output: Typed,
): HostTensor {
  return matmulDefinition.evaluate({ kind: 'matmul', transposeA, transposeB }, [a, b], output);
}

/** `softmax(scale · q · kᵀ) · v` with q `[B, H, N, d]`, k `[B, H, M, d]`, v `[B, H, M, e]` → `[B, H, N, e]`. */
export function scaledDotProductAttention(q: Tensor, k: Tensor, v: Tensor, scale: number): Tensor {
  return q.builder.emit({ kind: 'attention', scale }, [q, k, v]);
}
