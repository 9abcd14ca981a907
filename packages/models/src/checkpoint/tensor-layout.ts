import type { Shape } from '@kora-bench/core';

/** Where a tensor of the model lies in the file: one tensor, or several to be stacked along axis 0. */
export interface StoredTensor {
  readonly shape: Shape;
  readonly parts: readonly string[];
}

/** The tensors of a file by timm's names. */
export type TensorLayout = ReadonlyMap<string, StoredTensor>;

/** timm's names are the model's own: everything is taken as it is. */
export function timmLayout(shapes: ReadonlyMap<string, Shape>): TensorLayout {
  return new Map([...shapes].map(([name, shape]) => [name, { shape, parts: [name] }]));
}
