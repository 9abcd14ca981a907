import type { NodeId } from '@kora-bench/core/graph';

/** What a step of a run writes and reads, for planning its memory. */
export interface BufferUse {
  readonly writes: readonly NodeId[];
  readonly reads: readonly NodeId[];
}

/** Where a value is: bytes from the start of a buffer. */
export interface HeldValue {
  readonly id: NodeId;
  readonly offset: number;
  readonly bytes: number;
}

/** A buffer and the values that share it. */
export interface PlannedBuffer {
  readonly bytes: number;
  /** The first is as large as the buffer. */
  readonly held: readonly HeldValue[];
}

/** All buffers of a run. */
export interface BufferPlan {
  readonly buffers: readonly PlannedBuffer[];
  /** Bytes of all values that are alive at once, at the worst moment: no plan can use fewer. */
  readonly lowerBoundBytes: number;
}

/**
 * Lets values share memory whose lives do not overlap. From the largest value to the smallest, each goes into
 * the smallest gap of a buffer of those before it, or gets a buffer of its own size. WebGPU forbids a kernel
 * to write into a buffer that it also reads, and a copy within one: what a step reads and what it writes are
 * in different buffers.
 * After "greedy by size" of Pisarchyk & Lee 2020, Efficient Memory Management for Deep Neural Net Inference,
 * with many buffers instead of one.
 * @param uses in the order of the steps
 * @param bytesOf bytes of a value that is to be planned, `undefined` for others
 * @param keep values that must survive the last step
 * @param alignment of the offset of every value in its buffer, bytes
 */
export function planBuffers(
  uses: readonly BufferUse[],
  bytesOf: (id: NodeId) => number | undefined,
  keep: ReadonlySet<NodeId>,
  alignment: number,
): BufferPlan {
  const lives = livesOf(uses, bytesOf, keep);
  const apart = conflictsOf(uses);
  // Neither order is always the better one.
  const plans = (['largest', 'smallest'] as const).map((first) => fill(lives, apart, alignment, first));
  const [best] = plans.sort((a, b) => total(a) - total(b));
  return {
    buffers: best!.map(({ bytes, held }) => ({
      bytes,
      held: held.map(({ id, offset, bytes: size }) => ({ id, offset, bytes: size })),
    })),
    lowerBoundBytes: mostAlive(lives, uses.length),
  };
}

interface Placed extends Life {
  readonly offset: number;
}

interface Filled {
  readonly bytes: number;
  readonly held: Placed[];
}

type Conflicts = ReadonlyMap<NodeId, ReadonlySet<NodeId>>;

/** @param first which of the buffers that have room for a value is taken */
function fill(
  lives: readonly Life[],
  apart: Conflicts,
  alignment: number,
  first: 'largest' | 'smallest',
): Filled[] {
  const buffers: Filled[] = [];
  for (const life of [...lives].sort((a, b) => b.bytes - a.bytes)) {
    // Buffers were made in the order of their sizes.
    const inOrder = first === 'largest' ? buffers : buffers.toReversed();
    let placed: Placed | undefined;
    for (const buffer of inOrder) {
      const offset = smallestGap(buffer, life, apart.get(life.id), alignment);
      if (offset === undefined) continue;
      placed = { ...life, offset };
      buffer.held.push(placed);
      break;
    }
    if (placed === undefined) buffers.push({ bytes: life.bytes, held: [{ ...life, offset: 0 }] });
  }
  return buffers;
}

/** The offset of the smallest gap of a buffer that is large enough and free for all of a value's life. */
function smallestGap(
  { bytes: size, held }: Filled,
  life: Life,
  apart: ReadonlySet<NodeId> | undefined,
  alignment: number,
): number | undefined {
  if (held.some(({ id }) => apart?.has(id))) return undefined;
  const taken = held.filter((other) => overlap(other, life)).sort((a, b) => a.offset - b.offset);
  let best: { readonly offset: number; readonly length: number } | undefined;
  let offset = 0;
  for (const { offset: end, bytes } of [...taken, { offset: size, bytes: 0 }]) {
    const length = end - offset;
    if (length >= life.bytes && (best === undefined || length < best.length)) best = { offset, length };
    offset = Math.max(offset, alignment * Math.ceil((end + bytes) / alignment));
  }
  return best?.offset;
}

/** Values that some step writes while it reads the other. */
function conflictsOf(uses: readonly BufferUse[]): Conflicts {
  const conflicts = new Map<NodeId, Set<NodeId>>();
  const add = (a: NodeId, b: NodeId) => {
    const known = conflicts.get(a);
    if (known === undefined) conflicts.set(a, new Set([b]));
    else known.add(b);
  };
  for (const { writes, reads } of uses) {
    for (const written of writes) {
      for (const read of reads) {
        add(written, read);
        add(read, written);
      }
    }
  }
  return conflicts;
}

function total(buffers: readonly Filled[]): number {
  return buffers.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** A value from the step that first writes it to the last one that uses it. */
interface Life {
  readonly id: NodeId;
  readonly bytes: number;
  readonly start: number;
  readonly end: number;
}

/**
 * @param bytesOf bytes of a value, `undefined` for those that are left out
 * @param keep values that live on after the last step
 */
function livesOf(
  uses: readonly BufferUse[],
  bytesOf: (id: NodeId) => number | undefined,
  keep: ReadonlySet<NodeId>,
): readonly Life[] {
  const lives = new Map<NodeId, Life>();
  uses.forEach(({ writes, reads }, step) => {
    for (const id of writes) {
      const bytes = lives.has(id) ? undefined : bytesOf(id);
      if (bytes !== undefined)
        lives.set(id, { id, bytes, start: step, end: keep.has(id) ? uses.length : step });
    }
    for (const id of [...writes, ...reads]) {
      const life = lives.get(id);
      if (life !== undefined && life.end < step) lives.set(id, { ...life, end: step });
    }
  });
  return [...lives.values()];
}

function overlap(a: Life, b: Life): boolean {
  return a.start <= b.end && b.start <= a.end;
}

/** Bytes of all values that are alive at once, at the worst of `steps` moments. */
function mostAlive(lives: readonly Life[], steps: number): number {
  const changes = new Float64Array(steps + 2);
  for (const { bytes, start, end } of lives) {
    changes[start]! += bytes;
    changes[end + 1]! -= bytes;
  }
  let [alive, most] = [0, 0];
  for (const change of changes) {
    alive += change;
    most = Math.max(most, alive);
  }
  return most;
}
