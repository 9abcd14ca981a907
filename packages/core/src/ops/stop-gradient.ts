import type { Tensor } from '../tensor/tensor.js';
import { pointwise } from './axis-rules.js';
import type { CompositeDefinition } from './definition.js';
import { noGradient } from './definition.js';

export const stopGradientDefinition: CompositeDefinition<'stopGradient'> = {
  ...pointwise,
  infer: (_op, [x]) => ({ shape: x!.shape, dtype: x!.dtype }),
  evaluate: (_op, [x]) => x!,
  gradient: noGradient,
  lower: (_op, [x]) => x!,
  flops: () => 0,
};

/** The value of `x`, taken for a constant when it is differentiated. */
export function stopGradient(x: Tensor): Tensor {
  return x.builder.emit({ kind: 'stopGradient' }, [x]);
}
