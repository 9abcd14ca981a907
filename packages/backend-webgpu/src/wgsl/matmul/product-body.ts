import type { GraphNode, NodeId } from '@kora-bench/core';
import type { KernelBody, KernelContext } from '../write-kernel.js';
import type { Product } from './product.js';
import { productOf } from './product.js';
import { matrixTile, productInMatrices } from './product-in-matrices.js';
import { productInSubgroups } from './product-in-subgroups.js';
import { productInTiles } from './product-in-tiles.js';

/** A matrix product, or the sum of several (`terms`), whose value is that of `node`. */
export function productBody(context: KernelContext, node: GraphNode, terms: readonly NodeId[]): KernelBody {
  const product = productOf(context.program, terms);
  const { sharing, matrixUnits } = context.target;
  if (sharing.kind === 'subgroup') return productInSubgroups(context, node.id, product, sharing.size);
  if (matrixUnits !== undefined && suitsMatrices(context, product, terms))
    return productInMatrices(context, node.id, product, matrixUnits);
  return productInTiles(context, node.id, product);
}

/**
 * Whether matrix units should compute a product: its result fills most of their tiles, and where they take
 * 16-bit numbers, none of its operands is a gradient, which these may not be able to hold.
 */
function suitsMatrices(
  { program, target, backward }: KernelContext,
  { M, N, batch }: Product,
  terms: readonly NodeId[],
): boolean {
  const units = target.matrixUnits!;
  const { rows, columns } = matrixTile(units);
  const tiles = Math.ceil(M / rows) * Math.ceil(N / columns) * batch;
  const filled = (M * N * batch) / (tiles * rows * columns);
  const operands = terms.flatMap((term) => program.nodes[term]!.inputs);
  const exact = units.component === 'f32' || operands.every((id) => !backward.has(id));
  return exact && filled > 0.5;
}
