import type { Program, Tensor } from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';
import { add, div, erf, exp, matmul, mul, transpose } from '@kora-bench/core/ops';
import { rewriteProgram } from '@kora-bench/core/passes';

/** Up to this size, the fixed cost of an operator is more than its work. */
const fewElements = 16_384;

/**
 * Lowers the composites whose general lowering makes more passes over memory than needed, each pass
 * being an operator of its own in onnxruntime.
 */
export function lowerForSpeed(program: Program): Program {
  const differentiated = new Set(
    program.nodes.flatMap(({ op, inputs }) => (op.kind === 'geluGrad' ? [inputs[0]!] : [])),
  );
  return rewriteProgram(program, (node, inputs) => {
    const { op } = node;
    if (op.kind === 'geluGrad') return geluAdjoint(inputs[0]!, inputs[1]!);
    // Where the adjoint needs the error function anyway, sharing it beats the operator of its own.
    if (op.kind === 'gelu' && differentiated.has(node.inputs[0]!) && sizeOf(node.shape) > fewElements)
      return geluShared(inputs[0]!);
    if (op.kind === 'matmul') return narrowProduct(inputs[0]!, inputs[1]!, op.transposeA, op.transposeB);
    return undefined;
  });
}

/**
 * With t = x/√2 and u = 1 + erf t:  gelu(x) = t·u/√2,  gelu′(x) = (u + 2/√π · t·e^(−t²)) / 2.
 * The factors in front move into the matrix products around.
 */
function geluShared(x: Tensor): Tensor {
  const t = mul(x, Math.SQRT1_2);
  return mul(mul(t, add(erf(t), 1)), Math.SQRT1_2);
}

function geluAdjoint(x: Tensor, dy: Tensor): Tensor {
  const t = mul(x, Math.SQRT1_2);
  const bell = div(t, exp(mul(t, t)));
  const slope = add(add(erf(t), 1), mul(bell, 2 / Math.sqrt(Math.PI)));
  // Many small slopes are computed as one; what is left to do for each should be one product.
  return sizeOf(x.shape) > fewElements ? mul(mul(dy, slope), 0.5) : mul(dy, mul(slope, 0.5));
}

/**
 * aᵀ·b with few columns → (bᵀ·a)ᵀ: of two operands that the engine has to copy, the transposed one costs
 * more, so it should be the narrow one. Gradients of low-rank factors over many rows have this shape; over
 * few rows, exchanging the axes of the result costs as much as it saves.
 */
function narrowProduct(a: Tensor, b: Tensor, transposeA: boolean, transposeB: boolean): Tensor | undefined {
  if (!transposeA || transposeB || a.rank !== 2 || b.rank !== 2) return undefined;
  const [depth, rows, columns] = [a.shape[0]!, a.shape[1]!, b.shape[1]!];
  if (columns > 64 || depth * rows <= depth * columns + rows * columns) return undefined;
  return transpose(matmul(b, a, { transposeA: true }));
}
