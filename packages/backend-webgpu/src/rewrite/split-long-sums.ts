import type { Program, Tensor } from '@kora-bench/core';
import { matmul, max, pad, reshape, rewriteProgram, sizeOf, sum } from '@kora-bench/core';

/** Results that keep a GPU busy when each has a lane or, in products, a thirtieth of one. */
const manyResults = 16_384;
/** Elements that one part of a sum should have at least. */
const shortestPart = 256;

/**
 * Cuts sums of many elements with few results into parts that are added up afterwards: the weight
 * gradients of narrow factors, biases and norms, each a sum over all tokens, and norms of all parameters.
 */
export function splitLongSums(program: Program): Program {
  return rewriteProgram(program, (node, inputs) => {
    const { op, shape } = node;
    if (op.kind === 'matmul' && op.transposeA && !op.transposeB)
      return splitProduct(inputs[0]!, inputs[1]!, sizeOf(shape));
    if (op.kind === 'reduce' && op.fn !== 'mean') return splitReduction(inputs[0]!, op, shape);
    return undefined;
  });
}

/** aᵀ·b, `[K, M]ᵀ · [K, N]`, as a sum of products over parts of K. */
function splitProduct(a: Tensor, b: Tensor, results: number): Tensor | undefined {
  if (a.rank !== 2 || b.rank !== 2) return undefined;
  const parts = partsOf(a.shape[0]!, results);
  if (parts === 1) return undefined;
  const [left, right] = [cutAxis(a, 0, parts), cutAxis(b, 0, parts)];
  return sum(matmul(left, right, { transposeA: true }), { axes: [0] });
}

function splitReduction(
  x: Tensor,
  op: { readonly fn: 'sum' | 'max' | 'mean'; readonly axes: readonly number[]; readonly keepDims: boolean },
  shape: readonly number[],
): Tensor | undefined {
  const first = op.axes.length > 0 ? Math.min(...op.axes) : 0;
  const adjacent = op.axes.every((axis) => axis - first < op.axes.length);
  if (!adjacent || op.axes.length === 0) return undefined;
  const count = sizeOf(x.shape.slice(first, first + op.axes.length));
  const parts = partsOf(count, sizeOf(shape));
  if (parts === 1 || (op.fn === 'max' && count % parts !== 0)) return undefined;
  const flat = reshape(x, [...x.shape.slice(0, first), count, ...x.shape.slice(first + op.axes.length)]);
  const fn = op.fn === 'max' ? max : sum;
  const partial = fn(cutAxis(flat, first, parts), { axes: [first + 1] });
  return reshape(fn(partial, { axes: [first] }), shape);
}

/** `[…, n, …]` as `[…, parts, ⌈n / parts⌉, …]`, zeros at the end where n is not divisible. */
function cutAxis(x: Tensor, axis: number, parts: number): Tensor {
  const [before, n, after] = [x.shape.slice(0, axis), x.shape[axis]!, x.shape.slice(axis + 1)];
  const length = Math.ceil(n / parts);
  const missing = parts * length - n;
  const none = x.shape.map(() => 0);
  const whole = missing === 0 ? x : pad(x, none, none.with(axis, missing));
  return reshape(whole, [...before, parts, length, ...after]);
}

/** About as many partial results as can be worked on at once, a divisor of `count` where one is near. */
function partsOf(count: number, results: number): number {
  if (results >= manyResults || count < 2 * shortestPart) return 1;
  const wanted = Math.floor(Math.min(manyResults / results, count / shortestPart, Math.sqrt(count)));
  for (let parts = wanted; parts > wanted / 2; parts--) if (count % parts === 0) return Math.max(1, parts);
  return Math.max(1, wanted);
}
