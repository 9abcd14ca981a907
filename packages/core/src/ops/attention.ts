import { sameShape, sizeOf } from '../graph/shape.js';
import type { HostTensor } from '../tensor/host-tensor.js';
import type { Tensor } from '../tensor/tensor.js';
import { perMatrix } from './axis-rules.js';
import type { CompositeDefinition, Typed } from './definition.js';
import { add, exp, log, mul, sub } from './elementwise.js';
import { fill } from './evaluation.js';
import { type MatmulOptions, matmul, matmulDefinition } from './matmul.js';
import { max, sum } from './reduce.js';
import { requireDType, requireShape } from './requirements.js';
import { softmax, softmaxDefinition } from './softmax.js';

const last = { axes: [-1], keepDims: true };

/*
 * Scaled dot-product attention (Vaswani et al. 2017), without mask: P = softmax(scale·q·kᵀ), o = P·v.
 * Adjoints (Dao et al. 2022, FlashAttention, appendix B): dv = Pᵀ·do, dP = do·vᵀ, dS = P∘(dP − δ) with
 * δ = Σ do∘o per query, dq = scale·dS·k, dk = scale·dSᵀ·q. The three adjoints are separate ops, so that one
 * which nobody needs is not computed. They are given o and the logarithm of each query's sum of
 * exponentials, from which a fused backend makes any part of P again, so that it need not be in memory;
 * unfused, they share P, δ and dS as common subexpressions.
 */

export const attentionDefinition: CompositeDefinition<'attention'> = {
  ...perMatrix,
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
    return product(probabilities(q!, k!, op.scale), v!, {}, output);
  },
  gradient({ scale }, { inputs, output, dy, needs }) {
    const { builder } = dy;
    const statistics = builder.emit({ kind: 'attentionStatistics', scale }, [inputs[0]!, inputs[1]!]);
    const adjoint = (wrt: 'q' | 'k' | 'v') =>
      builder.emit({ kind: 'attentionGrad', scale, wrt }, [...inputs, dy, statistics, output]);
    return [
      needs(0) ? adjoint('q') : undefined,
      needs(1) ? adjoint('k') : undefined,
      needs(2) ? adjoint('v') : undefined,
    ];
  },
  lower(op, [q, k, v]) {
    return matmul(softmax(scores(q!, k!, op.scale)), v!);
  },
  // Queries are independent of each other.
  narrow: (_op, { inputs: [q, k, v], shape, axis, cut, apply }) =>
    axis === shape.length - 2 ? apply([cut(q!, axis), k!, v!]) : undefined,
  flops(_op, [q, k, v]) {
    const scores = (sizeOf(q!.shape) / q!.shape.at(-1)!) * k!.shape.at(-2)!;
    return scores * (2 * q!.shape.at(-1)! + 2 * v!.shape.at(-1)! + 6);
  },
};

/** log Σ exp(scale·q·kᵀ) per query: `[…, N, d]` and `[…, M, d]` → `[…, N, 1]`. */
export const attentionStatisticsDefinition: CompositeDefinition<'attentionStatistics'> = {
  ...perMatrix,
  infer(_op, [q, k]) {
    requireDType('attentionStatistics', 'f32', q!, k!);
    return { shape: [...q!.shape.slice(0, -1), 1], dtype: 'f32' };
  },
  evaluate(op, [q, k], output) {
    const keys = k!.shape.at(-2)!;
    const { data } = rawScores(q!, k!, op.scale);
    return fill(output, (row) => {
      const values = data.subarray(row * keys, (row + 1) * keys) as Float64Array;
      const largest = values.reduce((a, b) => Math.max(a, b), -Infinity);
      return largest + Math.log(values.reduce((total, value) => total + Math.exp(value - largest), 0));
    });
  },
  lower(op, [q, k]) {
    const all = scores(q!, k!, op.scale);
    const largest = max(all, last);
    return add(largest, log(sum(exp(sub(all, largest)), last)));
  },
  flops(_op, [q, k]) {
    const count = (sizeOf(q!.shape) / q!.shape.at(-1)!) * k!.shape.at(-2)!;
    return count * (2 * q!.shape.at(-1)! + 3);
  },
};

export const attentionGradDefinition: CompositeDefinition<'attentionGrad'> = {
  ...perMatrix,
  infer(op, [q, k, v]) {
    return { shape: { q: q!, k: k!, v: v! }[op.wrt].shape, dtype: 'f32' };
  },
  evaluate(op, [q, k, v, dy, _statistics, o], output) {
    const p = probabilities(q!, k!, op.scale);
    if (op.wrt === 'v') return product(p, dy!, { transposeA: true }, output);
    const keys = k!.shape.at(-2)!;
    const dp = product(dy!, v!, { transposeB: true }, p);
    const delta = rowDots(dy!, o!);
    const ds = fill(p, (i) => p.data[i]! * (dp.data[i]! - delta[Math.floor(i / keys)]!));
    const raw = op.wrt === 'q' ? product(ds, k!, {}, output) : product(ds, q!, { transposeA: true }, output);
    return fill(output, (i) => op.scale * raw.data[i]!);
  },
  lower(op, [q, k, v, dy, _statistics, o]) {
    const p = softmax(scores(q!, k!, op.scale));
    if (op.wrt === 'v') return matmul(p, dy!, { transposeA: true });
    const delta = sum(mul(dy!, o!), last);
    const ds = mul(p, sub(matmul(dy!, v!, { transposeB: true }), delta));
    return mul(op.wrt === 'q' ? matmul(ds, k!) : matmul(ds, q!, { transposeA: true }), op.scale);
  },
  flops(op, [q, k, v, , , o]) {
    const scores = (sizeOf(q!.shape) / q!.shape.at(-1)!) * k!.shape.at(-2)!;
    const [d, e] = [q!.shape.at(-1)!, v!.shape.at(-1)!];
    // The scores are the forward pass's; δ, dP and dS are counted once, with dq.
    if (op.wrt === 'q') return scores * (2 * e + 5 + 2 * d) + 2 * sizeOf(o!.shape);
    return scores * 2 * (op.wrt === 'k' ? d : e);
  },
};

function probabilities(q: HostTensor, k: HostTensor, scale: number): HostTensor {
  const all = rawScores(q, k, scale);
  return softmaxDefinition.evaluate({ kind: 'softmax' }, [all], { shape: all.shape, dtype: 'f32' });
}

/** Σ a∘b per row. */
function rowDots(a: HostTensor, b: HostTensor): Float64Array {
  const columns = a.shape.at(-1)!;
  const dots = new Float64Array(a.data.length / columns);
  a.data.forEach((value, i) => {
    dots[Math.floor(i / columns)]! += value * b.data[i]!;
  });
  return dots;
}

function rawScores(q: HostTensor, k: HostTensor, scale: number): HostTensor {
  const type: Typed = { shape: [...q.shape.slice(0, -1), k.shape.at(-2)!], dtype: 'f32' };
  const { data } = product(q, k, { transposeB: true }, type);
  return fill(type, (i) => scale * data[i]!);
}

function product(
  a: HostTensor,
  b: HostTensor,
  { transposeA = false, transposeB = false }: MatmulOptions,
  output: Typed,
): HostTensor {
  return matmulDefinition.evaluate({ kind: 'matmul', transposeA, transposeB }, [a, b], output);
}

function scores(q: Tensor, k: Tensor, scale: number): Tensor {
  return mul(matmul(q, k, { transposeB: true }), scale);
}

/** `softmax(scale · q · kᵀ) · v` with q `[B, H, N, d]`, k `[B, H, M, d]`, v `[B, H, M, e]` → `[B, H, N, e]`. */
export function scaledDotProductAttention(q: Tensor, k: Tensor, v: Tensor, scale: number): Tensor {
  return q.builder.emit({ kind: 'attention', scale }, [q, k, v]);
}
