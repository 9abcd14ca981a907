import type { Shape, Tensor } from '@kora-bench/core/graph';
import { sameShape, sizeOf } from '@kora-bench/core/graph';
import { broadcastTo, matmul, reshape, transpose } from '@kora-bench/core/ops';
import type { Visit } from '@kora-bench/core/passes';
import type { EngineTraits } from './engine-traits.js';

/** Products in the forms that an engine computes, and that it is fast on. */
export function fitProducts(traits: EngineTraits): Visit {
  return ({ op, shape }, [a, b]) => {
    if (op.kind !== 'matmul') return undefined;
    const { transposeA, transposeB } = op;
    if (sizeOf(batchOf(b!)) === 1 && !transposeA && a!.rank > 2)
      return reshape(product(rowsOf(a!), matrixOf(b!), { transposeA, transposeB }, traits), shape);
    const batch = shape.slice(0, -2);
    const whole = (x: Tensor) =>
      traits.broadcastsBatches || sizeOf(batchOf(x)) === 1 || sameShape(batchOf(x), batch)
        ? x
        : broadcastTo(x, [...batch, ...x.shape.slice(-2)]);
    return product(whole(a!), whole(b!), { transposeA, transposeB }, traits);
  };
}

interface Transposed {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/**
 * `a · b`, with their last two axes exchanged as told. Where the engine is slow on that, operands are transposed
 * in memory first; of aᵀ·b = (bᵀ·a)ᵀ the form that moves fewer elements.
 */
function product(a: Tensor, b: Tensor, { transposeA, transposeB }: Transposed, traits: EngineTraits): Tensor {
  if (traits.readsTransposed) return matmul(a, b, { transposeA, transposeB });
  const columns = b.shape.at(-1)!;
  const moved = sizeOf(b.shape) + a.shape.at(-1)! * columns;
  if (transposeA && !transposeB && a.rank === 2 && b.rank === 2 && moved < sizeOf(a.shape))
    return transpose(matmul(exchanged(b), a));
  return matmul(transposeA ? exchanged(a) : a, transposeB ? exchanged(b) : b);
}

function exchanged(x: Tensor): Tensor {
  const axes = x.shape.map((_, axis) => axis);
  return transpose(x, [...axes.slice(0, -2), x.rank - 1, x.rank - 2]);
}

function batchOf(x: Tensor): Shape {
  return x.shape.slice(0, -2);
}

function rowsOf(x: Tensor): Tensor {
  return reshape(x, [-1, x.shape.at(-1)!]);
}

function matrixOf(x: Tensor): Tensor {
  return reshape(x, x.shape.slice(-2));
}
