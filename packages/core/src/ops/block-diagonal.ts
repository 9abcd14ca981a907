import type { Tensor } from '../tensor/tensor.js';
import { reshape, transpose } from './layout.js';
import { matmul } from './matmul.js';

/**
 * The last axis of `x` times a block-diagonal matrix: part g of it, of `size` features, times block g.
 * The leading axes are kept apart, so that parts of a batch can be worked on one after another.
 * @param x `[…, N, groups·size]`
 * @param blocks `[groups, size, size]`
 * @returns `[…, N, groups·size]`
 */
export function blockDiagonal(x: Tensor, blocks: Tensor): Tensor {
  const [groups, size] = blocks.shape as [number, number, number];
  const { rank } = x;
  const rowsInside = [...x.shape.keys()].slice(0, -2).concat(rank - 1, rank - 2, rank);
  const parts = transpose(reshape(x, [...x.shape.slice(0, -1), groups, size]), rowsInside);
  return reshape(transpose(matmul(parts, blocks), rowsInside), x.shape);
}
