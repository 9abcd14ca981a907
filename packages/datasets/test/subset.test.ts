import type { ImageSplit } from '@kora-bench/core/data';
import {
  carve,
  evenSubset,
  perClassSubset,
  relabelled,
  shareSubset,
  subset,
  withValidation,
} from '@kora-bench/datasets';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { failureOf } from './support/failure-of.js';
import { preprocessing, syntheticSplit } from './support/synthetic-split.js';
import { temporaryFolder } from './support/temporary-folder.js';

function countsOf(labels: Int32Array, classes: number): number[] {
  const counts = new Array<number>(classes).fill(0);
  for (const label of labels) counts[label]!++;
  return counts;
}

test('a subset is a view: labels, paths, hashes and pixels of the chosen examples', async () => {
  const { split } = syntheticSplit(9, 4, temporaryFolder());
  const part = subset(split, [6, 1]);
  expect([...part.targets.label!.labels]).toEqual([2, 1]);
  expect(part.paths).toEqual(['train/6', 'train/1']);
  expect(part.length).toBe(2);
  const hashes = await split.contentHashes();
  expect(await part.contentHashes()).toEqual([hashes[6], hashes[1]]);
  expect(await part.contentHashes([1])).toEqual([hashes[1]]);
  const [whole, reader] = await Promise.all([split.open(preprocessing(4)), part.open(preprocessing(4))]);
  expect(await reader.read([1, 0])).toEqual(await whole.read([1, 6]));
  await expect(reader.read([2])).rejects.toThrow(/not in the subset/);
  await Promise.all([reader.close(), whole.close()]);
});

test('subsets differ in fingerprint when they differ in examples or order', () => {
  const { split } = syntheticSplit(9, 4, temporaryFolder());
  const prints = [[6, 1], [1, 6], [6]].map((indices) => subset(split, indices).fingerprint);
  expect(new Set([...prints, split.fingerprint]).size).toBe(4);
  expect(subset(split, [6, 1]).fingerprint).toBe(prints[0]);
});

test('perClassSubset draws k of every class, by seed', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 7 }),
      fc.integer({ min: 1, max: 5 }),
      fc.integer(),
      (classes, perClass, seed) => {
        const { split } = syntheticSplit(classes * 6, classes, 'unused');
        const part = perClassSubset(split, perClass, seed);
        expect(countsOf(part.targets.label!.labels, classes)).toEqual(new Array(classes).fill(perClass));
        expect(new Set(part.paths).size).toBe(classes * perClass);
        expect(perClassSubset(split, perClass, seed).paths).toEqual(part.paths);
      },
    ),
  );
});

test('another seed draws other examples', () => {
  const { split } = syntheticSplit(400, 4, 'unused');
  expect(perClassSubset(split, 10, 0).paths).not.toEqual(perClassSubset(split, 10, 1).paths);
});

test('evenSubset shares its examples equally among classes', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 10, max: 40 }),
      fc.integer({ min: 1, max: 50 }),
      (classes, length, count) => {
        const { split } = syntheticSplit(length, classes, 'unused');
        const part = evenSubset(split, count);
        expect(part.length).toBe(Math.min(count, length));
        expect(new Set(part.paths).size).toBe(part.length);
        const counts = countsOf(part.targets.label!.labels, classes);
        const available = countsOf(split.targets.label!.labels, classes);
        const most = Math.max(...counts);
        counts.forEach((found, label) => {
          expect(found).toBeGreaterThanOrEqual(Math.min(most - 1, available[label]!));
        });
      },
    ),
  );
});

test('relabelled keeps the pixels and changes labels and fingerprint', async () => {
  const { split } = syntheticSplit(3, 3, temporaryFolder());
  const renamed = relabelled(split, Int32Array.from([0, 0, 1]), ['images', 'other']);
  expect([...renamed.targets.label!.labels]).toEqual([0, 0, 1]);
  expect(renamed.targets.label!.classNames).toEqual(['images', 'other']);
  expect(renamed.fingerprint).not.toBe(split.fingerprint);
  expect(await renamed.contentHashes()).toEqual(await split.contentHashes());
});

/** The laws of every way to set examples aside. */
function expectDisjoint(parts: readonly ImageSplit[], whole: ImageSplit): void {
  const paths = parts.flatMap((part) => part.paths);
  expect(new Set(paths).size).toBe(paths.length);
  expect([...paths].sort()).toEqual([...whole.paths].sort());
  for (const part of parts) {
    const places = part.paths.map((path) => whole.paths.indexOf(path));
    expect(places).toEqual([...places].sort((a, b) => a - b));
    const { labels } = whole.targets.label!;
    expect([...part.targets.label!.labels]).toEqual(places.map((place) => labels[place]));
  }
}

test('withValidation parts train in two, by class and the same each time', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 12, max: 80 }),
      fc.double({ min: 0.05, max: 0.5, noNaN: true }),
      fc.integer(),
      (classes, length, share, seed) => {
        const { split } = syntheticSplit(length, classes, 'unused');
        const dataset = { name: 'synthetic', train: split, test: split };
        const { train, val, test } = withValidation(dataset, { share, seed });
        expect([train.split, val.split]).toEqual(['train', 'val']);
        expect(test).toBe(split);
        expectDisjoint([train, val], split);
        const all = countsOf(split.targets.label!.labels, classes);
        const taken = countsOf(val.targets.label!.labels, classes);
        taken.forEach((count, label) => {
          expect(count).toBe(Math.max(1, Math.floor(share * all[label]!)));
        });
        const again = withValidation(dataset, { share, seed });
        expect([again.train.fingerprint, again.val.fingerprint]).toEqual([
          train.fingerprint,
          val.fingerprint,
        ]);
        expect(train.notes.at(-1)).toContain(`by seed ${seed}`);
        expect(val.notes).toEqual(train.notes);
      },
    ),
  );
});

test('withValidation leaves a validation split as it is, and is drawn by its seed alone', () => {
  const { split } = syntheticSplit(60, 3, 'unused');
  const own = { name: 'synthetic', train: split, val: subset(split, [1, 2]), test: split };
  expect(withValidation(own)).toEqual(own);
  const { val: _, ...without } = own;
  const [zero, one] = [0, 1].map((seed) => withValidation(without, { seed }).val.paths);
  expect(withValidation(without).val.paths).toEqual(zero);
  expect(zero).not.toEqual(one);
});

test('of a class with a single example none is set aside', () => {
  const { split } = syntheticSplit(5, 4, 'unused');
  const { val } = withValidation({ name: 'synthetic', train: split, test: split });
  expect([...val.targets.label!.labels]).toEqual([0]);
});

test('carve takes another part for test than for validation', () => {
  const { split } = syntheticSplit(200, 2, 'unused');
  const { rest, carved } = carve(split, 'test', { share: 0.2 });
  expect([carved.split, carved.length, rest.length]).toEqual(['test', 40, 160]);
  expectDisjoint([rest, carved], split);
  expect(carve(split, 'val', { share: 0.2 }).carved.paths).not.toEqual(carved.paths);
  expect(carved.notes.at(-1)).toMatch(/no test split: 40 of its 200/);
});

test('shareSubset draws its share of every class, at least one, by seed', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 6, max: 90 }),
      fc.double({ min: 0.001, max: 1, noNaN: true }),
      fc.integer(),
      (classes, length, share, seed) => {
        const { split } = syntheticSplit(length, classes, 'unused');
        const part = shareSubset(split, share, seed);
        const all = countsOf(split.targets.label!.labels, classes);
        countsOf(part.targets.label!.labels, classes).forEach((count, label) => {
          expect(count).toBe(Math.min(all[label]!, Math.max(1, Math.round(share * all[label]!))));
        });
        expect(new Set(part.paths).size).toBe(part.length);
        expect(shareSubset(split, share, seed).fingerprint).toBe(part.fingerprint);
      },
    ),
  );
});

test('a larger share holds the examples of a smaller one', () => {
  const { split } = syntheticSplit(120, 3, 'unused');
  const small = shareSubset(split, 0.1, 5).paths;
  const large = new Set(shareSubset(split, 0.4, 5).paths);
  expect(small.every((path) => large.has(path))).toBe(true);
});

test('splits without labels are shared and parted as a whole; values and kinds stay', () => {
  const { split: labelled } = syntheticSplit(50, 2, 'unused');
  const values = Float32Array.from({ length: 100 }, (_, i) => i);
  const split = { ...labelled, targets: { value: { names: ['a', 'b'], values }, depth: { maximum: 10 } } };
  const { train, val } = withValidation({ name: 'values', train: split, test: split }, { share: 0.3 });
  expect([train.length, val.length]).toEqual([35, 15]);
  expect(new Set([...train.paths, ...val.paths]).size).toBe(50);
  expect(val.targets.depth).toEqual({ maximum: 10 });
  const first = Number(val.paths[0]!.split('/')[1]);
  expect([...val.targets.value!.values.subarray(0, 2)]).toEqual([2 * first, 2 * first + 1]);
  expect(shareSubset(split, 0.1, 0).length).toBe(5);
});

test.each([
  ['too few of a class', () => perClassSubset(split10(), 6, 0), /class 0/],
  ['none per class', () => perClassSubset(split10(), 0, 0), /at least 1/],
  ['an index outside', () => subset(split10(), [10]), /0 to 9/],
  ['an index twice', () => subset(split10(), [1, 1]), /1 twice/],
  ['no index', () => subset(split10(), []), /none/],
  ['no share', () => shareSubset(split10(), 0, 0), /above 0/],
  ['a share above all', () => shareSubset(split10(), 1.1, 0), /up to 1/],
  ['nothing to set aside', () => carve(syntheticSplit(3, 3, 'unused').split, 'val'), /two training examples/],
  ['no examples', () => evenSubset(split10(), 0), /at least 1/],
  ['a label outside', () => relabelled(split10(), new Int32Array(10).fill(2), ['a', 'b']), /label 2 at 0/],
  ['too few labels', () => relabelled(split10(), new Int32Array(9), ['a']), /9 labels/],
])('%s is refused', async (_, make, message) => {
  const failure = await failureOf(Promise.resolve().then((): unknown => make()));
  expect(failure.code).toBe('INPUT');
  expect(failure.explain()).toMatch(message);
});

const split10 = () => syntheticSplit(10, 2, 'unused').split;
