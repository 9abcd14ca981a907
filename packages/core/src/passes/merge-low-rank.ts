import type { GraphNode, Program } from '../graph/graph.js';
import { countUses } from '../graph/graph.js';
import { sizeOf } from '../graph/shape.js';
import { add, mul } from '../ops/elementwise.js';
import { reshape } from '../ops/layout.js';
import { linear } from '../ops/linear.js';
import { matmul } from '../ops/matmul.js';
import type { Tensor } from '../tensor/tensor.js';
import { inputsOf, nodeOf, rewriteProgram } from './rewrite.js';
import { scalarConstant } from './scale-factors.js';

/** A matrix product with a low-rank update beside it. */
export interface UpdatedProduct {
  /** Rows of the whole batch. */
  readonly rows: number;
  /** The sides of the weight. */
  readonly height: number;
  readonly width: number;
}

/**
 * x·W + s·(x·P)·Q → x·(W + s·P·Q): a low-rank update beside a matrix product becomes a sum of weights,
 * made once per run. In a training step this is the merged form of LoRA (Hu et al. 2022, section 4.1),
 * forwards and backwards; the factors' own gradients still see x·P.
 * @param pays decides for each product; by default, merging pays if the batch has so many rows that summing the weights
 *   is cheaper than the second product
 */
export function mergeLowRank(
  program: Program,
  pays: (product: UpdatedProduct) => boolean = savesWork,
): Program {
  const uses = countUses(program);
  return rewriteProgram(program, (node, inputs) => {
    if (node.op.kind !== 'binary' || node.op.fn !== 'add') return undefined;
    const [left, right] = [node.inputs[0]!, node.inputs[1]!].map((id) =>
      onlyReadHere(program, program.nodes[id]!, uses),
    );
    if (left !== true || right !== true) return undefined;
    return merge(node, [inputs[0]!, inputs[1]!], pays) ?? merge(node, [inputs[1]!, inputs[0]!], pays);
  });
}

function merge(
  node: GraphNode,
  [base, update]: readonly [Tensor, Tensor],
  pays: (product: UpdatedProduct) => boolean,
): Tensor | undefined {
  const [main, outer] = [rowProductOf(base), rowProductOf(update)];
  if (main === undefined || outer === undefined || outer.bias !== undefined) return undefined;
  const inner = rowProductOf(outer.rows);
  if (inner === undefined || inner.bias !== undefined || main.scale !== 1) return undefined;
  if (inner.rows.id !== main.rows.id) return undefined;
  const [height, width] = [main.weight.shape[0]!, main.weight.shape[1]!];
  const rank = sizeOf(inner.weight.shape) / inner.rows.shape.at(-1)!;
  if (rank >= Math.min(height, width)) return undefined;
  if (!pays({ rows: sizeOf(main.rows.shape) / main.rows.shape.at(-1)!, height, width })) return undefined;

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

/** Work done on the weights against work saved on the rows. */
function savesWork({ rows, height, width }: UpdatedProduct): boolean {
  return 2 * height * width < rows * (height + width);
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

/** `scale · rows · op(weight) + bias`, op exchanging the axes of a matrix where `transposed`. */
interface RowProduct {
  /** `[…, in]`; leading axes are rows, however many there are. */
  readonly rows: Tensor;
  readonly weight: Tensor;
  readonly transposed: boolean;
  readonly bias: Tensor | undefined;
  readonly scale: number;
}

/** A value without what only rearranges its rows or multiplies it by a number. */
interface Rows {
  readonly tensor: Tensor;
  readonly scale: number;
}

/** Strips reshapes that keep the last axis, and products with a number. */
function rowsOf(tensor: Tensor): Rows {
  let scale = 1;
  let current = tensor;
  for (;;) {
    const { op } = nodeOf(current);
    const inputs = inputsOf(current);
    if (op.kind === 'reshape' && inputs[0]!.shape.at(-1) === current.shape.at(-1) && current.rank > 0) {
      current = inputs[0]!;
    } else if (op.kind === 'binary' && op.fn === 'mul') {
      const right = scalarConstant(nodeOf(inputs[1]!));
      const factor = right ?? scalarConstant(nodeOf(inputs[0]!));
      const scaled = right === undefined ? inputs[1]! : inputs[0]!;
      if (factor === undefined || scaled.rank !== current.rank) return { tensor: current, scale };
      scale *= factor;
      current = scaled;
    } else {
      return { tensor: current, scale };
    }
  }
}

/** Reads `tensor` as a product of rows with one matrix, or `undefined` where it is none. */
function rowProductOf(tensor: Tensor): RowProduct | undefined {
  const outer = rowsOf(tensor);
  const { op } = nodeOf(outer.tensor);
  const [x, weight, bias] = inputsOf(outer.tensor);
  if (op.kind === 'linear') {
    if (bias !== undefined && outer.scale !== 1) return undefined;
    const rows = rowsOf(x!);
    if (bias !== undefined && rows.scale !== 1)
      return { rows: x!, weight: weight!, transposed: true, bias, scale: 1 };
    return { rows: rows.tensor, weight: weight!, transposed: true, bias, scale: outer.scale * rows.scale };
  }
  if (op.kind !== 'matmul' || op.transposeA || weight!.rank !== 2) return undefined;
  const rows = rowsOf(x!);
  return {
    rows: rows.tensor,
    weight: weight!,
    transposed: op.transposeB,
    bias: undefined,
    scale: outer.scale * rows.scale,
  };
}
