import type { GraphNode, Program, Tensor } from '@kora-bench/core';
import { add, countUses, linear, matmul, mul, reshape, rewriteProgram, sizeOf } from '@kora-bench/core';
import type { RowProduct } from './row-product.js';
import { rowProductOf } from './row-product.js';

/**
 * x·W + s·(x·P)·Q → x·(W + s·P·Q): a low-rank update beside a matrix product becomes a sum of weights,
 * made once per run. In a training step this is the merged form of LoRA (Hu et al. 2022, section 4.1),
 * forwards and backwards; the factors' own gradients still see x·P. Taken where there are enough rows
 * for the sum of the weights to be cheaper than the second product.
 */
export function mergeLowRank(program: Program): Program {
  const uses = countUses(program);
  return rewriteProgram(program, (node, inputs) => {
    if (node.op.kind !== 'binary' || node.op.fn !== 'add') return undefined;
    const [left, right] = [node.inputs[0]!, node.inputs[1]!].map((id) =>
      onlyReadHere(program, program.nodes[id]!, uses),
    );
    if (left !== true || right !== true) return undefined;
    return merge(node, inputs[0]!, inputs[1]!) ?? merge(node, inputs[1]!, inputs[0]!);
  });
}

function merge(node: GraphNode, base: Tensor, update: Tensor): Tensor | undefined {
  const [main, outer] = [rowProductOf(base), rowProductOf(update)];
  if (main === undefined || outer === undefined || outer.bias !== undefined) return undefined;
  const inner = rowProductOf(outer.rows);
  if (inner === undefined || inner.bias !== undefined || main.scale !== 1) return undefined;
  if (inner.rows.id !== main.rows.id || !pays(main, inner)) return undefined;

  const scale = outer.scale * inner.scale;
  const [p, q] = [inner.weight, outer.weight];
  const low = main.transposed
    ? matmul(q, p, { transposeA: !outer.transposed, transposeB: !inner.transposed })
    : matmul(p, q, { transposeA: inner.transposed, transposeB: outer.transposed });
  const weight = add(main.weight, scale === 1 ? low : mul(low, scale));
  const rows = reshape(main.rows, [-1, main.rows.shape.at(-1)!]);
  const product = main.transposed ? linear(rows, weight, main.bias) : matmul(rows, weight);
  return reshape(product, node.shape);
}

/** Work saved on the rows against work done on the weights. */
function pays(main: RowProduct, inner: RowProduct): boolean {
  const [height, width] = [main.weight.shape[0]!, main.weight.shape[1]!];
  const rank = sizeOf(inner.weight.shape) / inner.rows.shape.at(-1)!;
  const rows = sizeOf(main.rows.shape) / main.rows.shape.at(-1)!;
  return rank < Math.min(height, width) && rows * (height + width) > 2 * height * width;
}

/** Whether nothing else needs `node`, or the product that it rearranges. */
function onlyReadHere(program: Program, node: GraphNode, uses: Uint32Array): boolean {
  let current = node;
  while (uses[current.id] === 1) {
    const { op } = current;
    if (op.kind === 'linear' || op.kind === 'matmul') return true;
    if (op.kind !== 'reshape' && op.kind !== 'binary') return false;
    const next = current.inputs.map((id) => program.nodes[id]!).find((input) => input.op.kind !== 'constant');
    if (next === undefined) return false;
    current = next;
  }
  return false;
}
