import { type ImageSplit, InputError } from '@kora-bench/core';
import { evenlySpaced } from './evenly-spaced.js';
import { membersByClass } from './members-by-class.js';
import { subset } from './subset.js';

/**
 * `count` examples that stand for the whole split, the same ones each time: as equally many of each
 * class as there are, evenly spaced within the class; evenly spaced over the split for depth. In the
 * order of the split; the whole split when it has no more than `count`.
 *
 * @throws InputError when `count` is not an integer of at least 1.
 */
export function evenSubset(split: ImageSplit, count: number): ImageSplit {
  if (!Number.isInteger(count) || count < 1) {
    throw new InputError('The number of examples is not valid.', {
      where: 'count',
      expected: 'an integer of at least 1',
      received: String(count),
      fix: 'Ask for one or more examples.',
    });
  }
  if (count >= split.length) return split;
  if (split.task !== 'classification') return subset(split, evenlySpaced(split.length, count));
  const members = membersByClass(split);
  const quotas = equalQuotas(
    members.map(({ length }) => length),
    count,
  );
  const chosen = members.flatMap((places, label) =>
    evenlySpaced(places.length, quotas[label]!).map((i) => places[i]!),
  );
  return subset(
    split,
    chosen.sort((a, b) => a - b),
  );
}

/** Shares of `total` that differ by at most one, except where a class has no more to give. */
function equalQuotas(available: readonly number[], total: number): number[] {
  const quotas = available.map(() => 0);
  let left = total;
  while (left > 0) {
    const open = available.flatMap((size, label) => (quotas[label]! < size ? [label] : []));
    const round = left >= open.length ? open : evenlySpaced(open.length, left).map((i) => open[i]!);
    for (const label of round) quotas[label]!++;
    left -= round.length;
  }
  return quotas;
}
