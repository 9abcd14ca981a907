import { InternalError } from '../errors/kora-error.js';
import type { GraphNode } from '../graph/graph.js';
import type { OpKind } from '../graph/op.js';
import { add } from '../ops/elementwise.js';
import { reshape } from '../ops/layout.js';
import { matmul } from '../ops/matmul.js';
import type { Tensor } from '../tensor/tensor.js';

/** An operand of a stacked op: `[k, …]` with one entry per member, or one value that all members read. */
export interface StackedOperand {
  readonly tensor: Tensor;
  readonly shared: boolean;
}

/** The ops that `stackOp` knows. */
export const stackable: ReadonlySet<OpKind> = new Set<OpKind>([
  'unary',
  'binary',
  'compare',
  'where',
  'cast',
  'gelu',
  'geluGrad',
  'matmul',
  'linear',
  'reduce',
  'reshape',
  'transpose',
  'broadcast',
]);

/**
 * Applies a member's op to `k` members at once.
 * @param member any of them; all have its op and shapes
 * @returns the results `[k, …shape of the member]`
 */
export function stackOp(member: GraphNode, k: number, operands: readonly StackedOperand[]): Tensor {
  const { op } = member;
  const { builder } = operands[0]!.tensor;
  const rank = member.shape.length;
  const only = () => operands[0]!.tensor;
  switch (op.kind) {
    case 'unary':
    case 'cast':
    case 'gelu':
      return builder.emit(op, [only()]);
    case 'binary':
    case 'compare':
    case 'where':
    case 'geluGrad':
    case 'matmul':
      return builder.emit(
        op,
        operands.map((operand) => align(operand, rank)),
      );
    case 'linear':
      return stackLinear(member, operands);
    case 'reduce':
      return builder.emit({ ...op, axes: op.axes.map((axis) => axis + 1) }, [only()]);
    case 'reshape':
      return reshape(only(), [k, ...op.shape]);
    case 'transpose':
      return builder.emit({ ...op, perm: [0, ...op.perm.map((axis) => axis + 1)] }, [only()]);
    case 'broadcast':
      return builder.emit({ ...op, shape: [k, ...op.shape] }, [align(operands[0]!, rank)]);
    default:
      throw new InternalError(`${op.kind} cannot be stacked.`);
  }
}

/** `x·Wᵀ + b` per member: rows of a member are flattened, as each has a weight of its own. */
function stackLinear(member: GraphNode, [x, weight, bias]: readonly StackedOperand[]): Tensor {
  const width = weight!.tensor.shape.at(-1)!;
  const flat = x!.shared
    ? reshape(x!.tensor, [-1, width])
    : reshape(x!.tensor, [x!.tensor.shape[0]!, -1, width]);
  const product = matmul(flat, weight!.tensor, { transposeB: true });
  const result = bias === undefined ? product : add(product, align(bias, 2));
  return reshape(result, [-1, ...member.shape]);
}

/** Puts axes of extent 1 behind `k`, so that a stacked operand of lower rank broadcasts as the member's did. */
function align({ tensor, shared }: StackedOperand, rank: number): Tensor {
  if (shared || tensor.rank === rank + 1) return tensor;
  const [k, ...shape] = tensor.shape;
  return reshape(tensor, [k!, ...new Array<number>(rank - shape.length).fill(1), ...shape]);
}
