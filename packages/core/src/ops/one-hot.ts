import type { Tensor } from '../tensor/tensor.js';
import type { OpDefinition } from './definition.js';
import { fill } from './evaluation.js';
import { requireDType } from './requirements.js';

export const oneHotDefinition: OpDefinition<'oneHot'> = {
  infer(op, [indices]) {
    requireDType('oneHot', 'i32', indices!);
    return { shape: [...indices!.shape, op.depth], dtype: 'f32' };
  },
  evaluate: (op, [indices], output) =>
    fill(output, (i) => (indices!.data[Math.floor(i / op.depth)] === i % op.depth ? 1 : 0)),
  flops: () => 0,
};

/** `[…] i32 → […, depth] f32`: 1 at the index, 0 elsewhere; an index outside 0 … depth−1 gives only zeros. */
export function oneHot(indices: Tensor, depth: number): Tensor {
  return indices.builder.emit({ kind: 'oneHot', depth }, [indices]);
}
