import type { Program, Tensor } from '@kora-bench/core';
import {
  add,
  countUses,
  inputsOf,
  nodeOf,
  reshape,
  rewriteProgram,
  sameShape,
  sizeOf,
} from '@kora-bench/core';

/**
 * (x·W + bias) + u·B → (x·W + u·B) + bias: brings the products of a frozen layer and of its low-rank update
 * next to each other, so that one kernel can add them up.
 */
export function gatherProducts(program: Program): Program {
  const uses = countUses(program);
  const readHere = (id: number): boolean => {
    const { op, inputs } = program.nodes[id]!;
    return uses[id] === 1 && (op.kind !== 'reshape' || readHere(inputs[0]!));
  };
  return rewriteProgram(program, (node, [left, right]) => {
    if (node.op.kind !== 'binary' || node.op.fn !== 'add' || !node.inputs.every(readHere)) return undefined;
    return gather(left!, right!, node.shape) ?? gather(right!, left!, node.shape);
  });
}

function gather(biased: Tensor, update: Tensor, shape: readonly number[]): Tensor | undefined {
  const sum = throughReshapes(biased);
  const { op } = nodeOf(sum);
  if (op.kind !== 'binary' || op.fn !== 'add' || !isProduct(update)) return undefined;
  const [x, y] = inputsOf(sum);
  const [product, bias] = isProduct(x!) ? [x!, y!] : [y!, x!];
  if (!isProduct(product) || sizeOf(bias.shape) >= sizeOf(sum.shape)) return undefined;
  if (!sameShape(product.shape, sum.shape) || sizeOf(update.shape) !== sizeOf(sum.shape)) return undefined;
  return reshape(add(add(product, reshape(throughReshapes(update), sum.shape)), bias), shape);
}

/** Whether a tensor is a matrix product or a sum of some. */
function isProduct(tensor: Tensor): boolean {
  const source = throughReshapes(tensor);
  const { op } = nodeOf(source);
  if (op.kind === 'matmul') return true;
  return op.kind === 'binary' && op.fn === 'add' && inputsOf(source).every(isProduct);
}

function throughReshapes(tensor: Tensor): Tensor {
  let source = tensor;
  while (nodeOf(source).op.kind === 'reshape') source = inputsOf(source)[0]!;
  return source;
}
