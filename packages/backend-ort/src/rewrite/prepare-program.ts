import type { CompositeKind, Program } from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';
import type { BatchSplit, UpdatedProduct } from '@kora-bench/core/passes';
import {
  batchOf,
  cutBatch,
  floatScales,
  lowerComposites,
  mergeLowRank,
  rewriteProgram,
  simplify,
  splitBatch,
  stackParallel,
} from '@kora-bench/core/passes';
import { lowerForSpeed } from './lower-for-speed.js';

/** Composites that onnxruntime has an operator for, or that profit from one. */
const native = [
  'linear',
  'standardize',
  'layerNorm',
  'layerNormGrad',
  'softmax',
  'gelu',
] as const satisfies readonly CompositeKind[];
export type NativeKind = (typeof native)[number];

export const nativeComposites: ReadonlySet<CompositeKind> = new Set(native);

/** A program in the form that the export understands and that onnxruntime is fast on. */
export interface PreparedProgram {
  /** Lowered to primitives and native composites. */
  readonly program: Program;
  /** The same program cut along the batch, where that pays. */
  readonly split: BatchSplit | undefined;
}

/** How many sessions share a batch on the CPU, and the threads that each of them has. */
export interface Sessions {
  readonly count: number;
  readonly threads: number;
}

/**
 * Lowers a program to primitives and native composites, in few passes over memory.
 * @param sessions absent on a GPU
 */
export function lowerProgram(given: Program, sessions?: Sessions): Program {
  const simple = rewriteProgram(given, simplify);
  const merged = mergeLowRank(simple, sessions && mergingPays(simple, sessions));
  const lowered = lowerComposites(lowerForSpeed(merged), nativeComposites);
  return rewriteProgram(floatScales(lowered), simplify);
}

/**
 * Cost of making one element of a merged weight, relative to one element of the rows that an unmerged update reads and
 * writes; measured, see `bench/results.md`.
 */
const makingCost = 2.5;
/** Cost of packing it for one part of the batch, forwards and backwards; frozen weights are packed only once. */
const packingCost = 0.7;

/** Decides whether merging a low-rank update into its weight pays; every session merges for itself. */
function mergingPays(program: Program, sessions: Sessions): (product: UpdatedProduct) => boolean {
  const batch = batchOf(program) ?? 1;
  const examples = batch / sessions.count;
  const { largestBytes } = cutBatch(program, batch, batch);
  const examplesAtOnce = Math.max(1, Math.floor((sessions.threads * partBytesPerThread) / largestBytes));
  const making = makingCost + packingCost * Math.max(1, examples / examplesAtOnce);
  return ({ rows, height, width }) => making * height * width < (rows / sessions.count) * (height + width);
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

/**
 * Bytes of the largest intermediate value of one part, per thread: a part's values should stay in
 * the caches, and its products be large enough to pay for packing their operands.
 */
const partBytesPerThread = 1.5 * 2 ** 20;
/** A program is cut only if this share of its FLOPs is work on single examples. */
const leastShare = 0.8;
/** Numbers added to sums, per number computed by the body, that cutting may cost at most. */
const summingShare = 0.05;

/**
 * Cuts a lowered program along the batch, so that the intermediate values of one part stay in the cache.
 * @param threads that work on one part
 * @returns `undefined` where nothing is gained
 */
export function splitForCache(program: Program, threads: number): BatchSplit | undefined {
  const partBytes = threads * partBytesPerThread;
  const batch = batchOf(program);
  const fits = program.nodes.every(({ shape }) => 4 * sizeOf(shape) <= partBytes);
  if (batch === undefined || fits) return undefined;
  for (let size = 1; size * 2 <= batch; size++) {
    if (batch % size !== 0) continue;
    const parts = batch / size;
    const cut = cutBatch(program, batch, parts);
    if (cut.share < leastShare) continue;
    const next = nextDivisor(batch, size);
    if (next < batch && cut.largestBytes * (next / size) <= partBytes) continue;
    if (cut.summed > summingShare * cut.computed) continue;
    return cut.largestBytes * parts <= partBytes ? undefined : splitBatch(program, cut);
  }
  return undefined;
}

function nextDivisor(batch: number, size: number): number {
  let next = size + 1;
  while (batch % next !== 0) next++;
  return next;
}
