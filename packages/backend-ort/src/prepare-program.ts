import type { BatchSplit, Program } from '@kora-bench/core';
import { lowerComposites, rewriteProgram, simplify, stackParallel } from '@kora-bench/core';
import { nativeComposites } from './export/emit-composite.js';
import { floatScales } from './rewrite/float-scales.js';
import { lowerForSpeed } from './rewrite/lower-for-speed.js';
import { mergeLowRank } from './rewrite/merge-low-rank.js';
import { splitForCache } from './rewrite/split-for-cache.js';

/** A program in the form that the export understands and that onnxruntime is fast on. */
export interface PreparedProgram {
  /** Lowered to primitives and native composites. */
  readonly program: Program;
  /** The same program cut along the batch, where that pays. */
  readonly split: BatchSplit | undefined;
}

/** Lowers a program to primitives and native composites, in few passes over memory. */
export function lowerProgram(given: Program): Program {
  const merged = mergeLowRank(rewriteProgram(given, simplify));
  const lowered = lowerComposites(lowerForSpeed(merged), nativeComposites);
  return rewriteProgram(floatScales(lowered), simplify);
}

/**
 * @param program lowered
 * @param threads that share the caches of the CPU; absent on a GPU, which wants the whole batch at once
 */
export function arrangeProgram(program: Program, threads?: number): PreparedProgram {
  const split = threads === undefined ? undefined : splitForCache(program, threads);
  // A program worth splitting is made of large ops; stacking the small ones would hide the examples in them.
  return split === undefined ? { program: stackParallel(program), split } : { program, split };
}
