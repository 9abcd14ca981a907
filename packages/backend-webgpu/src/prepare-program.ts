import type { Program } from '@kora-bench/core';
import { definitionOf, lowerComposites, rewriteProgram, simplify } from '@kora-bench/core';
import { nativeComposites } from './plan/node-roles.js';
import { deferUpdates } from './rewrite/defer-updates.js';
import { gatherProducts } from './rewrite/gather-products.js';
import { splitLongSums } from './rewrite/split-long-sums.js';
import { hasAttentionKernels } from './wgsl/attention/attention-problem.js';

/** Lowers what has no kernels. */
export function lowerProgram(given: Program): Program {
  const lowered = lowerComposites(lowerWideAttention(rewriteProgram(given, simplify)), nativeComposites);
  return rewriteProgram(lowered, simplify);
}

/** Rewrites a lowered program for its kernels: sums are put in order. */
export function arrangeProgram(lowered: Program): Program {
  return rewriteProgram(splitLongSums(deferUpdates(gatherProducts(lowered))), simplify);
}

/** Lowers attention over vectors that are too long for the registers of a lane. */
function lowerWideAttention(program: Program): Program {
  return rewriteProgram(program, ({ op }, inputs) => {
    if (op.kind !== 'attention' && op.kind !== 'attentionStatistics' && op.kind !== 'attentionGrad')
      return undefined;
    const [d, e] = [inputs[0]!.shape.at(-1)!, (inputs[2] ?? inputs[1]!).shape.at(-1)!];
    return hasAttentionKernels({ d, e }) ? undefined : definitionOf(op).lower!(op, inputs);
  });
}
