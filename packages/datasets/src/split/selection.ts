import {
  type ImageDataset,
  type ImageSplit,
  type PixelReader,
  requireTarget,
  type Targets,
} from '@kora-bench/core/data';
import { InputError } from '@kora-bench/core/errors';
import { hashText } from '@kora-bench/core/graph';
import { randomStream } from '@kora-bench/core/random';

/*
 * Views of a split: some of its examples, or all of them under other labels. They share its pixel cache.
 */

/**
 * Some examples of a split, in the order of `indices`: example i is example `indices[i]` there.
 *
 * @throws InputError when an index is out of range or comes twice, or when there are none.
 */
export function subset(split: ImageSplit, indices: ArrayLike<number>): ImageSplit {
  const chosen = Array.from(indices);
  checkIndices(split, chosen);
  return {
    dataset: split.dataset,
    split: split.split,
    notes: split.notes,
    length: chosen.length,
    targets: targetsOf(split.targets, chosen),
    paths: chosen.map((i) => split.paths[i]!),
    fingerprint: digest({ of: split.fingerprint, indices: chosen }),
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

/**
 * `count` examples that stand for the whole split, the same ones each time: as equally many of each
 * class as there are, evenly spaced within the class; evenly spaced over a split without labels. In the
 * order of the split; the whole split when it has no more than `count`.
 *
 * @throws InputError when `count` is not an integer of at least 1.
 */
export function evenSubset(split: ImageSplit, count: number): ImageSplit {
  requireCount('count', count);
  if (count >= split.length) return split;
  if (split.targets.label === undefined) return subset(split, evenlySpaced(split.length, count));
  const members = membersByClass(split);
  const quotas = equalQuotas(
    members.map(({ length }) => length),
    count,
  );
  const chosen = members.flatMap((places, label) =>
    evenlySpaced(places.length, quotas[label]!).map((i) => places[i]!),
  );
  return subset(split, ascending(chosen));
}

/**
 * Draws `perClass` examples of every class, without replacement, in the order of the split. The draw of
 * a class depends on `seed` and on the number of examples of this class only.
 *
 * @throws InputError when a class has fewer examples, or when the split has no labels.
 */
export function perClassSubset(split: ImageSplit, perClass: number, seed: number): ImageSplit {
  requireCount('perClass', perClass);
  const { classNames } = requireTarget(split.targets, 'label', `the data set ${split.dataset}`);
  const drawn = membersByClass(split).flatMap((members, label) => {
    if (members.length < perClass) {
      throw new InputError('A class has fewer examples than asked for.', {
        where: `${split.dataset}, ${split.split}, class ${label} (${classNames[label]})`,
        expected: `at least ${perClass} examples`,
        received: String(members.length),
        fix: `Ask for at most ${members.length} a class, or use the whole data set.`,
      });
    }
    return drawFrom(members, perClass, seed, `subset/class ${label}`);
  });
  return subset(split, ascending(drawn));
}

/**
 * Draws a share of the examples, in the order of the split: of every class where the split has labels, at
 * least one each, of the whole otherwise.
 *
 * @param share in (0, 1].
 */
export function shareSubset(split: ImageSplit, share: number, seed: number): ImageSplit {
  if (!(share > 0 && share <= 1)) {
    throw new InputError('The share of examples is not valid.', {
      where: 'share',
      expected: 'a number above 0, up to 1',
      received: String(share),
      fix: 'Ask for e.g. 0.01, one percent.',
    });
  }
  const groups = split.targets.label === undefined ? [allOf(split)] : membersByClass(split);
  const drawn = groups.flatMap((members, group) =>
    drawFrom(
      members,
      Math.min(members.length, Math.max(1, Math.round(share * members.length))),
      seed,
      `share/class ${group}`,
    ),
  );
  return subset(split, ascending(drawn));
}

/**
 * The same examples under other labels.
 *
 * @param labels `[length]`, from 0 to `classNames.length - 1`.
 * @throws InputError when they are not.
 */
export function relabelled(split: ImageSplit, labels: Int32Array, classNames: readonly string[]): ImageSplit {
  const outside = labels.findIndex((label) => label < 0 || label >= classNames.length);
  if (labels.length !== split.length || outside >= 0) {
    throw new InputError('The new labels do not fit the split.', {
      where: `${split.dataset}, ${split.split}`,
      expected: `${split.length} labels from 0 to ${classNames.length - 1}`,
      received: outside >= 0 ? `label ${labels[outside]} at ${outside}` : `${labels.length} labels`,
      fix: 'Give one label for each example, below the number of classes.',
    });
  }
  return {
    ...split,
    targets: { ...split.targets, label: { classNames, labels } },
    fingerprint: digest({ of: split.fingerprint, labels: [...labels], classNames }),
  };
}

/** How a split is carved out of the training split where a data set has none. */
export interface Carving {
  /** Of the training examples, in (0, 1); default 0.1. */
  readonly share?: number;
  /** Default 0: the same split for every run. */
  readonly seed?: number;
}

/** A data set with all three splits. */
export type CompleteDataset = ImageDataset & { readonly val: ImageSplit };

/**
 * The data set with a validation split: its own, or a share of the training examples, drawn by a fixed
 * seed and taken out of `train`. Of a class with a single example none is taken.
 *
 * @throws InputError when there is nothing to carve from.
 */
export function withValidation(
  dataset: ImageDataset,
  { share = 0.1, seed = 0 }: Carving = {},
): CompleteDataset {
  const { train, val } = dataset;
  if (val !== undefined) return { ...dataset, val };
  const { rest, carved } = carve(train, 'val', { share, seed });
  return { ...dataset, train: rest, val: carved };
}

/**
 * Sets a share of the training examples aside as another split, by a fixed seed: of every class where there
 * are labels, at least one each but of no class with a single example. Notes of both splits say so.
 *
 * @throws InputError when there is nothing to carve from.
 */
export function carve(
  train: ImageSplit,
  as: 'val' | 'test',
  { share = 0.1, seed = 0 }: Carving = {},
): { readonly rest: ImageSplit; readonly carved: ImageSplit } {
  const title = { val: 'validation', test: 'test' }[as];
  const groups = train.targets.label === undefined ? [allOf(train)] : membersByClass(train);
  const drawn = groups.flatMap((members, group) => {
    const count = members.length < 2 ? 0 : Math.max(1, Math.floor(share * members.length));
    return drawFrom(members, count, seed, `${title}/class ${group}`);
  });
  if (drawn.length === 0) {
    throw new InputError(`No ${title} split can be carved out of the training split.`, {
      where: train.dataset,
      expected: 'a class with two training examples or more',
      received: `${train.length} training examples of ${groups.length} classes`,
      fix: `Use more examples, or a data set with a ${title} split of its own.`,
    });
  }
  const taken = new Set(drawn);
  const note = `${train.dataset} has no ${title} split: ${drawn.length} of its ${train.length} training examples were set aside as one, by seed ${seed}.`;
  const noted = (split: ImageSplit): ImageSplit => ({ ...split, notes: [...split.notes, note] });
  const left = allOf(train).filter((i) => !taken.has(i));
  return {
    rest: noted(subset(train, left)),
    carved: noted({ ...subset(train, ascending(drawn)), split: as }),
  };
}

/** Places in the split of the examples of each class, ascending. @throws InputError without labels */
export function membersByClass(split: ImageSplit): number[][] {
  const { classNames, labels } = requireTarget(split.targets, 'label', `the data set ${split.dataset}`);
  const members: number[][] = classNames.map(() => []);
  labels.forEach((label, index) => {
    members[label]!.push(index);
  });
  return members;
}

/**
 * At most `count` different indices below `length`, evenly spaced; from two on, the first and the last
 * are among them.
 */
export function evenlySpaced(length: number, count: number): number[] {
  if (length <= count) return Array.from({ length }, (_, i) => i);
  if (count === 1) return [Math.floor(length / 2)];
  return Array.from({ length: count }, (_, i) => Math.round((i * (length - 1)) / (count - 1)));
}

function targetsOf({ label, value, ...perPixel }: Targets, chosen: readonly number[]): Targets {
  return {
    ...perPixel,
    ...(label && { label: { ...label, labels: Int32Array.from(chosen, (i) => label.labels[i]!) } }),
    ...(value && { value: { ...value, values: rows(value.values, value.names.length, chosen) } }),
  };
}

function rows(values: Float32Array, width: number, chosen: readonly number[]): Float32Array {
  const picked = new Float32Array(chosen.length * width);
  for (const [at, i] of chosen.entries()) picked.set(values.subarray(i * width, (i + 1) * width), at * width);
  return picked;
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

function drawFrom(members: readonly number[], count: number, seed: number, label: string): number[] {
  const order = randomStream(seed, label).permutation(members.length);
  return Array.from(order.subarray(0, count), (place) => members[place]!);
}

function allOf({ length }: ImageSplit): number[] {
  return Array.from({ length }, (_, i) => i);
}

function ascending(indices: number[]): number[] {
  return indices.sort((a, b) => a - b);
}

function digest(value: object): string {
  return hashText(JSON.stringify(value));
}

function requireCount(where: string, count: number): void {
  if (Number.isInteger(count) && count >= 1) return;
  throw new InputError('The number of examples is not valid.', {
    where,
    expected: 'an integer of at least 1',
    received: String(count),
    fix: 'Ask for one or more examples.',
  });
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
