import type { GraphNode, NodeId } from '@kora-bench/core';
import type { KernelBody, KernelContext } from '../write-kernel.js';
import { productOf } from './product.js';
import { productInSubgroups } from './product-in-subgroups.js';
import { productInTiles } from './product-in-tiles.js';

/** A matrix product, or the sum of several (`terms`), whose value is that of `node`. */
export function productBody(context: KernelContext, node: GraphNode, terms: readonly NodeId[]): KernelBody {
  const product = productOf(context.program, terms);
  const { sharing } = context.target;
  return sharing.kind === 'subgroup'
    ? productInSubgroups(context, node.id, product, sharing.size)
    : productInTiles(context, node.id, product);
}
