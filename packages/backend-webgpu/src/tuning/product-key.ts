import type { Operand, Product } from '../wgsl/matmul/product.js';

/** What the best tile of a product depends on, as text: its extents, and how its operands lie in memory. */
export function productKey({ M, N, batch, terms }: Product): string {
  const operand = ({ along, quads }: Operand) => `${along === 'k' ? 'k' : 'l'}${quads ? 4 : 1}`;
  const sums = terms.map(({ K, left, right }) => `${K}${operand(left)}${operand(right)}`);
  return `${batch}x${M}x${N}:${sums.join('+')}`;
}
