import { createHash } from 'node:crypto';
import { type ImageSplit, InputError, type PixelReader } from '@kora-bench/core';

/**
 * A view of some examples of a split, in the order of `indices`. It shares the pixel cache of `split`,
 * and its example i is example `indices[i]` there.
 *
 * @throws InputError when an index is out of range or comes twice, or when there are none.
 */
export function subset(split: ImageSplit, indices: ArrayLike<number>): ImageSplit {
  const chosen = Array.from(indices);
  checkIndices(split, chosen);
  const fingerprint = createHash('sha256')
    .update(JSON.stringify({ of: split.fingerprint, indices: chosen }))
    .digest('hex');
  const { dataset, task, classNames, notes } = split;
  return {
    dataset,
    split: split.split,
    task,
    classNames,
    notes,
    length: chosen.length,
    labels: task === 'classification' ? Int32Array.from(chosen, (i) => split.labels[i]!) : split.labels,
    paths: chosen.map((i) => split.paths[i]!),
    fingerprint,
    contentHashes: (asked) => split.contentHashes(asked?.map((i) => inSubset(chosen, i)) ?? chosen),
    async open(preprocessing): Promise<PixelReader> {
      const reader = await split.open(preprocessing);
      return {
        read: async (asked) => reader.read(asked.map((i) => inSubset(chosen, i))),
        close: () => reader.close(),
      };
    },
  };
}

function checkIndices(split: ImageSplit, indices: readonly number[]): void {
  const fail = (received: string): never => {
    throw new InputError('The indices of a subset are not valid.', {
      where: `${split.dataset}, ${split.split}`,
      expected: `different integers from 0 to ${split.length - 1}, one or more`,
      received,
      fix: 'Take indices below the length of the split, each once.',
    });
  };
  if (indices.length === 0) fail('none');
  const seen = new Uint8Array(split.length);
  for (const index of indices) {
    if (!Number.isInteger(index) || index < 0 || index >= split.length) fail(String(index));
    if (seen[index] === 1) fail(`${index} twice`);
    seen[index] = 1;
  }
}

function inSubset(chosen: readonly number[], index: number): number {
  const original = chosen[index];
  if (original !== undefined) return original;
  throw new InputError('An example that is not in the subset was asked for.', {
    where: 'indices',
    expected: `integers from 0 to ${chosen.length - 1}`,
    received: String(index),
    fix: 'Take indices below the length of the subset.',
  });
}
