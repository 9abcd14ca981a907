import type { Shape } from '@kora-bench/core';

/** Where a tensor of the model lies in the file: one tensor, or several to be stacked along axis 0. */
export interface StoredTensor {
  readonly shape: Shape;
  readonly parts: readonly string[];
}

/** The tensors of a file by timm's names. */
export interface TensorLayout {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Tensors of the file that no output depends on, e.g. the pooler of transformers' ViTModel. */
  readonly unused: readonly string[];
}

/** timm's names are the model's own: everything is taken as it is. */
export function timmLayout(shapes: ReadonlyMap<string, Shape>): TensorLayout {
  return {
    tensors: new Map([...shapes].map(([name, shape]) => [name, { shape, parts: [name] }])),
    unused: [],
  };
}
