import type { ImageSplit } from '@kora-bench/core';

/** Which of several equal parts of the classes, in label order. */
export interface ClassPart {
  readonly index: number;
  readonly of: number;
}

/** The classes of a part, `from` … `to` − 1, and the places of their examples in the split. */
export function classPart(
  split: ImageSplit,
  { index, of }: ClassPart,
): { readonly from: number; readonly to: number; readonly chosen: readonly number[] } {
  const classes = split.classNames.length;
  const from = Math.floor((index * classes) / of);
  const to = Math.floor(((index + 1) * classes) / of);
  const chosen = [...split.labels.keys()].filter((i) => from <= split.labels[i]! && split.labels[i]! < to);
  return { from, to, chosen };
}
