import type { Program } from '@kora-bench/core';
import { lowerComposites, rewriteProgram, simplify, stackParallel } from '@kora-bench/core';
import { nativeComposites, views } from './plan/node-roles.js';
import { gatherProducts } from './rewrite/gather-products.js';
import { splitLongSums } from './rewrite/split-long-sums.js';

/** Rewrites a program for kernels: what has none is lowered, small ops are stacked, sums are put in order. */
export function prepareProgram(given: Program): Program {
  const lowered = lowerComposites(rewriteProgram(given, simplify), nativeComposites);
  const stacked = stackParallel(rewriteProgram(lowered, simplify), views);
  return rewriteProgram(splitLongSums(gatherProducts(stacked)), simplify);
}
