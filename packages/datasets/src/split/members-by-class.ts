import type { ImageSplit } from '@kora-bench/core';

/** Places in the split of the examples of each class, ascending. */
export function membersByClass(split: ImageSplit): number[][] {
  const members: number[][] = split.classNames.map(() => []);
  split.labels.forEach((label, index) => {
    members[label]!.push(index);
  });
  return members;
}
