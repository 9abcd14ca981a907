import type { NodeId } from '@kora-bench/core';
import type { BufferUse } from './plan-buffers.js';

/** A value from the step that first writes it to the last one that uses it. */
export interface Life {
  readonly id: NodeId;
  readonly bytes: number;
  readonly start: number;
  readonly end: number;
}

/**
 * @param bytesOf bytes of a value, `undefined` for those that are left out
 * @param keep values that live on after the last step
 */
export function livesOf(
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

export function overlap(a: Life, b: Life): boolean {
  return a.start <= b.end && b.start <= a.end;
}

/** Bytes of all values that are alive at once, at the worst of `steps` moments. */
export function mostAlive(lives: readonly Life[], steps: number): number {
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
