import type { Tensor } from '../tensor/tensor.js';
import { reshape, transpose } from './layout.js';
import { matmul } from './matmul.js';

/**
 * The last axis of `x` times a block-diagonal matrix: part g of it, of `size` features, times block g.
 * @param x `[…, groups·size]`
 * @param blocks `[groups, size, size]`
 * @returns `[…, groups·size]`
 */
export function blockDiagonal(x: Tensor, blocks: Tensor): Tensor {
  const [groups, size] = blocks.shape as [number, number, number];
  const parts = transpose(reshape(x, [-1, groups, size]), [1, 0, 2]);
  return reshape(transpose(matmul(parts, blocks), [1, 0, 2]), x.shape);
}
