import type { NodeId } from '@kora-bench/core';

/** What a kernel writes and reads, for planning its memory. */
export interface BufferUse {
  readonly writes: readonly NodeId[];
  readonly reads: readonly NodeId[];
}

export interface BufferPlan {
  /** The buffer that each planned value lives in. */
  readonly bufferOf: ReadonlyMap<NodeId, number>;
  /** Bytes of each buffer. */
  readonly sizes: readonly number[];
  /** Bytes of all values that are alive at once, at the worst moment: no plan can use fewer. */
  readonly lowerBound: number;
}

/**
 * Lets values share buffers whose lives do not overlap: each takes the smallest free buffer that is large
 * enough, or else makes the largest free one grow.
 * @param uses in the order of the kernels
 * @param bytesOf bytes of a value that is to be planned, `undefined` for others
 * @param keep values that must survive the last kernel
 */
export function planBuffers(
  uses: readonly BufferUse[],
  bytesOf: (id: NodeId) => number | undefined,
  keep: ReadonlySet<NodeId>,
): BufferPlan {
  const lastUse = new Map<NodeId, number>();
  uses.forEach(({ writes, reads }, i) => {
    for (const id of [...writes, ...reads]) lastUse.set(id, i);
  });
  const bufferOf = new Map<NodeId, number>();
  const sizes: number[] = [];
  const free = new Set<number>();
  let alive = 0;
  let lowerBound = 0;
  uses.forEach(({ writes, reads }, i) => {
    for (const id of writes) {
      const bytes = bytesOf(id);
      if (bytes === undefined || bufferOf.has(id)) continue;
      bufferOf.set(id, takeBuffer(sizes, free, bytes));
      alive += bytes;
      lowerBound = Math.max(lowerBound, alive);
    }
    for (const id of new Set([...writes, ...reads])) {
      const buffer = bufferOf.get(id);
      if (buffer === undefined || lastUse.get(id) !== i || keep.has(id)) continue;
      free.add(buffer);
      alive -= bytesOf(id)!;
    }
  });
  return { bufferOf, sizes, lowerBound };
}

function takeBuffer(sizes: number[], free: Set<number>, bytes: number): number {
  const bySize = [...free].sort((a, b) => sizes[a]! - sizes[b]!);
  const chosen = bySize.find((buffer) => sizes[buffer]! >= bytes) ?? bySize.at(-1);
  if (chosen === undefined) return sizes.push(bytes) - 1;
  free.delete(chosen);
  sizes[chosen] = Math.max(sizes[chosen]!, bytes);
  return chosen;
}
