import { evenSubset, perClassSubset, relabelled, subset } from '@kora-bench/datasets';
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

test.each([
  ['too few of a class', () => perClassSubset(split10(), 6, 0), /class 0/],
  ['none per class', () => perClassSubset(split10(), 0, 0), /at least 1/],
  ['an index outside', () => subset(split10(), [10]), /0 to 9/],
  ['an index twice', () => subset(split10(), [1, 1]), /1 twice/],
  ['no index', () => subset(split10(), []), /none/],
  ['no examples', () => evenSubset(split10(), 0), /at least 1/],
  ['a label outside', () => relabelled(split10(), new Int32Array(10).fill(2), ['a', 'b']), /label 2 at 0/],
  ['too few labels', () => relabelled(split10(), new Int32Array(9), ['a']), /9 labels/],
])('%s is refused', async (_, make, message) => {
  const failure = await failureOf(Promise.resolve().then(make));
  expect(failure.code).toBe('INPUT');
  expect(failure.explain()).toMatch(message);
});

const split10 = () => syntheticSplit(10, 2, 'unused').split;
