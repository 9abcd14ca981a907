import type { ImageSplit } from '@kora-bench/core';
import { subset } from '@kora-bench/datasets';

/** The same examples with other labels. */
export function relabelled(split: ImageSplit, labels: Int32Array, classNames: readonly string[]): ImageSplit {
  return { ...split, labels, classNames };
}

/** At most `most` examples, as even over the classes as possible, in the order of the split. */
export function evenSubset(split: ImageSplit, most: number): ImageSplit {
  if (most >= split.length) return split;
  if (split.task !== 'classification') return subset(split, Array.from({ length: most }, (_, i) => Math.floor((i * split.length) / most)));
  const rank = new Map<number, number>();
  const places = Array.from(split.labels, (label, index) => {
    const round = rank.get(label) ?? 0;
    rank.set(label, round + 1);
    return { index, round };
  });
  const chosen = places.sort((a, b) => a.round - b.round || a.index - b.index).slice(0, most);
  return subset(
    split,
    chosen.map(({ index }) => index).sort((a, b) => a - b),
  );
}
