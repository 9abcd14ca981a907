import { totalmem } from 'node:os';
import type { GraphNode, Program } from '@kora-bench/core/graph';
import { sourcesOf } from '@kora-bench/core/graph';
import { add, concat } from '@kora-bench/core/ops';
import { batchOf, bytesOf, cutBatch, programCost, rewriteProgram, splitBatch } from '@kora-bench/core/passes';

/** A program whose batch several threads share, each with an equal part of it (data parallelism). */
export interface SharedBatch {
  readonly replicas: number;
  /** What one replica does: from its part of the batch to sums over it. */
  readonly part: Program;
  /** The part's feeds and what each of them reads. */
  readonly reads: readonly PartInput[];
  /** What is done once, with the results of all replicas; `replicaFeed` names its feeds for them. */
  readonly rest: Program;
}

export interface PartInput {
  readonly feed: string;
  /** A feed or a constant of the whole program. */
  readonly from: GraphNode;
  /** Whether each replica reads its own block along axis 0, or all of it. */
  readonly cut: boolean;
}

/** The name in `rest` of an output of one replica. */
export const replicaFeed = (output: string, replica: number): string => `${output}:${replica}`;

/** A program is shared only if this share of its FLOPs is work on single examples. */
const leastShare = 0.9;
/** Work of one replica, FLOPs, from which waking a thread (0.1 ms) does not matter. */
const leastFlops = 5e8;
/**
 * Work on a batch, FLOPs, of a program that does not train. It may run for a few batches only, and starting the
 * threads takes as long (0.15 s) as sharing gains in ten batches of this size.
 */
const leastForwardFlops = 2e10;
/**
 * Work of one replica, FLOPs, per byte that all replicas are handed and give back. Bytes are copied one
 * replica after the other, at about 2 GB/s; at 100 GFLOP/s the copying is then at most 5 % of the work.
 */
const leastFlopsPerByte = 1000;
/** Share of the threads that may stay idle because the batch has no better divisor. */
const idleShare = 1 / 3;
/** Share of the memory that the replicas' frozen weights may take: each has its own. */
const weightsShare = 1 / 8;

/**
 * Cuts a program into one part per thread, where that is faster than threads that share every operator: operators
 * on a part of the batch are too short to be cut once more, and some use one thread only.
 * @param program lowered to what the export understands
 * @returns `undefined` where sharing does not pay
 */
export function shareBatch(program: Program, threads: number): SharedBatch | undefined {
  const batch = batchOf(program);
  if (batch === undefined) return undefined;
  const replicas = largestDivisor(batch, threads);
  if (replicas < 2 || replicas < threads * (1 - idleShare)) return undefined;
  const cut = cutBatch(program, batch, replicas);
  if (cut.share < leastShare) return undefined;

  const split = splitBatch(program, cut, () => true);
  const { body: part, outer } = split;
  const inputOf = (isCut: boolean) => (input: { readonly feed: string; readonly outer: number }) => {
    return { feed: input.feed, from: outer.nodes[input.outer]!, cut: isCut };
  };
  const reads = [...split.blocks.map(inputOf(true)), ...split.shared.map(inputOf(false))];
  if (!reads.every(({ from }) => from.op.kind === 'feed' || from.op.kind === 'constant')) return undefined;
  if (!pays(part, replicas, program.updates.size > 0)) return undefined;

  const outputs = new Map([...split.sums, ...split.joined].map(({ feed, output }) => [feed, output]));
  const sums = new Set(split.sums.map(({ feed }) => feed));
  const rest = rewriteProgram(outer, ({ op }, _, builder) => {
    const output = op.kind === 'feed' ? outputs.get(op.name) : undefined;
    if (op.kind !== 'feed' || output === undefined) return undefined;
    const { shape, dtype } = part.nodes[part.outputs.get(output)!]!;
    const results = Array.from({ length: replicas }, (__, i) =>
      builder.feed(replicaFeed(output, i), shape, dtype),
    );
    return sums.has(op.name) ? results.reduce((sum, result) => add(sum, result)) : concat(results, 0);
  });
  return { replicas, part, reads, rest };
}

function largestDivisor(batch: number, most: number): number {
  for (let divisor = Math.min(batch, most); divisor > 1; divisor--) if (batch % divisor === 0) return divisor;
  return 1;
}

function pays(part: Program, replicas: number, trains: boolean): boolean {
  const sizes = (kind: 'feed' | 'state' | 'frozen') =>
    sourcesOf(part, kind).reduce((sum, { node }) => sum + bytesOf(node), 0);
  const results = [...part.outputs.values()].reduce((sum, id) => sum + bytesOf(part.nodes[id]!), 0);
  const exchanged = replicas * (sizes('feed') + sizes('state') + results);
  const { flops } = programCost(part);
  return (
    flops >= (trains ? leastFlops : leastForwardFlops / replicas) &&
    flops >= leastFlopsPerByte * exchanged &&
    replicas * sizes('frozen') <= weightsShare * availableBytes()
  );
}

/** The memory of the machine, or what the process may use of it. */
function availableBytes(): number {
  return Math.min(totalmem(), process.constrainedMemory() || Infinity);
}
