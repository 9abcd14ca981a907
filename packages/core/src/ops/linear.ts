import { sizeOf } from '../graph/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { alignStacked, rowMap } from './axis-rules.js';
import type { CompositeDefinition } from './definition.js';
import { add } from './elementwise.js';
import { fill } from './evaluation.js';
import { reshape } from './layout.js';
import { matmul, matmulDefinition } from './matmul.js';
import { sum } from './reduce.js';
import { requireDType, requireShape } from './requirements.js';

export const linearDefinition: CompositeDefinition<'linear'> = {
  ...rowMap,
  infer(_op, [x, weight, bias]) {
    requireDType('linear', 'f32', x!, weight!, ...(bias === undefined ? [] : [bias]));
    requireShape(
      x!.rank >= 1 && weight!.rank === 2 && x!.shape.at(-1) === weight!.shape[1],
      'linear cannot apply this weight.',
      'x […, in] and weight [out, in]',
      x!,
      weight!,
    );
    const out = weight!.shape[0]!;
    if (bias !== undefined) {
      requireShape(
        bias.rank === 1 && bias.shape[0] === out,
        'linear cannot add this bias.',
        `[${out}]`,
        bias,
      );
    }
    return { shape: [...x!.shape.slice(0, -1), out], dtype: 'f32' };
  },
  evaluate(_op, [x, weight, bias], output) {
    const out = weight!.shape[0]!;
    const rows = sizeOf(x!.shape) / weight!.shape[1]!;
    const product = matmulDefinition.evaluate(
      { kind: 'matmul', transposeA: false, transposeB: true },
      [{ ...x!, shape: [rows, weight!.shape[1]!] }, weight!],
      { shape: [rows, out], dtype: 'f32' },
    );
    return fill(output, (i) => product.data[i]! + (bias === undefined ? 0 : bias.data[i % out]!));
  },
  gradient(_op, { inputs, dy, needs }) {
    const [x, weight] = [inputs[0]!, inputs[1]!];
    const [out, width] = [weight.shape[0]!, weight.shape[1]!];
    const rows = () => reshape(dy, [-1, out]);
    const gradients = [
      needs(0) ? reshape(matmul(rows(), weight), x.shape) : undefined,
      needs(1) ? matmul(rows(), reshape(x, [-1, width]), { transposeA: true }) : undefined,
    ];
    if (inputs.length === 3) gradients.push(needs(2) ? sum(rows(), { axes: [0] }) : undefined);
    return gradients;
  },
  lower(_op, [x, weight, bias]) {
    const flat = reshape(x!, [-1, weight!.shape[1]!]);
    const product = matmul(flat, weight!, { transposeB: true });
    const shape = [...x!.shape.slice(0, -1), weight!.shape[0]!];
    return reshape(bias === undefined ? product : add(product, bias), shape);
  },
  // Rows of a member are flattened, as each member has a weight of its own.
  stack(_op, { operands: [x, weight, bias], shape }) {
    const width = weight!.tensor.shape.at(-1)!;
    const flat = reshape(x!.tensor, x!.shared ? [-1, width] : [x!.tensor.shape[0]!, -1, width]);
    const product = matmul(flat, weight!.tensor, { transposeB: true });
    const result = bias === undefined ? product : add(product, alignStacked(bias, 2));
    return reshape(result, [-1, ...shape]);
  },
  flops: (_op, [, weight, bias], output) =>
    sizeOf(output.shape) * (2 * weight!.shape[1]! + (bias === undefined ? 0 : 1)),
};

/** `x · weightᵀ + bias`: `[…, in] → […, out]` with weight `[out, in]` and bias `[out]`, as in PyTorch. */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  return x.builder.emit({ kind: 'linear' }, bias === undefined ? [x, weight] : [x, weight, bias]);
}
