import type { ImageDataset, ImageSplit, PixelBatch, Targets } from '@kora-bench/core/data';
import { checkDataset, createProceduralDataset } from '@kora-bench/datasets';
import { expect, test } from 'vitest';

/** A split whose reader gives what `read` makes of the number of examples. */
function splitOf(targets: Targets, read: (count: number) => PixelBatch): ImageSplit {
  return {
    dataset: 'checked',
    split: 'train',
    length: 3,
    targets,
    paths: ['0', '1', '2'],
    fingerprint: 'checked',
    notes: [],
    contentHashes: async () => [],
    open: async () => ({ read: async (indices) => read(indices.length), close: async () => undefined }),
  };
}

const area = 32 * 32;
const black = (count: number) => ({ pixels: new Uint8Array(count * area * 3) });
const check = (split: ImageSplit) =>
  checkDataset(async () => ({
    dataset: { name: 'checked', train: split, test: split } satisfies ImageDataset,
  }));

test.each(['procedural-depth', 'procedural-segmentation', 'procedural-source'] as const)(
  '%s is counted and decoded',
  async (name) => {
    const few = { trainPerClass: 2, valPerClass: 1, testPerClass: 1 };
    const { ok, details } = await checkDataset(async (found) => {
      found.push('opened');
      return { dataset: createProceduralDataset(name, few) };
    });
    expect(ok).toBe(true);
    expect(details[0]).toBe('opened');
    if (name === 'procedural-depth')
      expect(details.join('\n')).toMatch(/train: depth from \d\.\d\d to \d+\.\d\d m/);
    if (name === 'procedural-segmentation') expect(details.join('\n')).toMatch(/masks show \d of 8 classes/);
    if (name === 'procedural-source') expect(details).toContain('train: 200 images, 100 classes, 2 a class');
  },
);

const masked: Targets = { mask: { classNames: ['a', 'b'] } };
const deep: Targets = { depth: {} };

test.each([
  ['no masks', masked, black, /masks are missing/],
  [
    'a class too many',
    masked,
    (n: number) => ({ ...black(n), mask: new Int32Array(n * area).fill(2) }),
    /class 2/,
  ],
  [
    'no labelled pixel',
    masked,
    (n: number) => ({ ...black(n), mask: new Int32Array(n * area).fill(-1) }),
    /no pixel/,
  ],
  ['no depth', deep, black, /depth is missing/],
  [
    'negative depth',
    deep,
    (n: number) => ({ ...black(n), depth: new Float32Array(n * area).fill(-1) }),
    /negative/,
  ],
  ['nothing measured', deep, (n: number) => ({ ...black(n), depth: new Float32Array(n * area) }), /no pixel/],
  [
    'endless values',
    { value: { names: ['x'], values: Float32Array.of(1, Number.NaN, 2) } },
    black,
    /values x are not finite/,
  ],
] as [string, Targets, (count: number) => PixelBatch, RegExp][])(
  '%s is a problem',
  async (_, targets, read, message) => {
    const { ok, problems } = await check(splitOf(targets, read));
    expect(ok).toBe(false);
    expect(problems.join('\n')).toMatch(message);
  },
);
