import { readFileSync } from 'node:fs';
import { InputError, ShapeError, TrainingError } from '@kora-bench/core/errors';
import type { CkaKernel, CkaMatrix, LayerBatch } from '@kora-bench/core/metrics';
import { LinearCka, MinibatchCka } from '@kora-bench/core/metrics';
import { randomStream } from '@kora-bench/core/random';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

interface Fixture {
  readonly layers: readonly (readonly (readonly number[])[])[];
  readonly cases: readonly {
    readonly kernel: CkaKernel;
    readonly sizes: readonly number[];
    readonly biased: readonly (readonly number[])[];
    readonly debiased: readonly (readonly number[])[];
  }[];
}

const { layers, cases } = JSON.parse(
  readFileSync(new URL('fixtures/cka.json', import.meta.url), 'utf8'),
) as Fixture;

type Rows = readonly (readonly number[])[];
const batchOf = (rows: Rows): LayerBatch => ({
  data: Float32Array.from(rows.flat()),
  shape: [rows.length, rows[0]!.length],
});

function ckaOf(features: readonly Rows[], kernel: CkaKernel, sizes = [features[0]!.length]) {
  const layerNames = features.map((_, l) => `layer ${l}`);
  const cka = new MinibatchCka({ layerNames, kernel, batchSize: Math.max(...sizes) });
  let from = 0;
  for (const size of sizes) {
    for (const rows of features) cka.add(batchOf(rows.slice(from, from + size)));
    from += size;
  }
  return cka.result();
}

const gaussian = (n: number, width: number, label: string, seed = 0): number[][] => {
  const stream = randomStream(seed, label);
  return Array.from({ length: n }, () => Array.from({ length: width }, () => stream.normal()));
};

function expectClose(found: CkaMatrix, expected: CkaMatrix, digits: number): void {
  for (const [a, row] of expected.entries())
    for (const [b, value] of row.entries()) expect(found[a]![b], `${a} ${b}`).toBeCloseTo(value!, digits);
}

const linear: CkaKernel = { kind: 'linear' };
const rbf = (bandwidth: number): CkaKernel => ({ kind: 'rbf', bandwidth });

it.each(cases.map((one) => [JSON.stringify(one.kernel), one.sizes.join(', '), one] as const))(
  "gives NumPy's numbers for %s in batches of %s",
  (_kernel, _sizes, { kernel, sizes, biased, debiased }) => {
    const result = ckaOf(layers, kernel, [...sizes]);
    expect(result).toMatchObject({ n: 22, batches: sizes.length, layers: ['layer 0', 'layer 1', 'layer 2'] });
    expectClose(result.biased, biased, 11);
    expectClose(result.debiased, debiased, 11);
  },
);

it('is LinearCka where one batch holds all, for features of any width', () => {
  const count = fc.integer({ min: 6, max: 70 });
  const width = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1000, max: 1100 }));
  fc.assert(
    fc.property(count, width, width, fc.nat(), (n, p, q, seed) => {
      const features = [gaussian(n, p, 'x', seed), gaussian(n, q, 'y', seed)];
      const exact = new LinearCka(['x', 'y']);
      exact.add(features.map(batchOf));
      const found = ckaOf(features, linear);
      expectClose(found.biased, exact.result().biased, 9);
      expectClose(found.debiased, exact.result().debiased, 7);
    }),
    { numRuns: 12 },
  );
});

it('agrees with the exact value where batches are many, and the biased estimate does not', () => {
  const n = 1600;
  const x = gaussian(n, 20, 'x');
  const y = x.map((row, i) => row.map((value, d) => value + 2 * gaussian(1, 20, 'noise', i)[0]![d]!));
  const exact = new LinearCka(['x', 'y']);
  exact.add([x, y].map(batchOf));
  const truth = exact.result().debiased[0]![1]!;
  const { biased, debiased } = ckaOf([x, y], linear, new Array<number>(n / 16).fill(16));
  expect(Math.abs(debiased[0]![1]! - truth)).toBeLessThan(0.03);
  expect(biased[0]![1]! - truth).toBeGreaterThan(0.2);
});

describe.each([
  ['linear', linear],
  ['RBF', rbf(0.8)],
] as const)('the %s kernel', (_name, kernel) => {
  const x = gaussian(30, 3, 'x');
  const y = x.map(([a, b]) => [a! + 0.5 * b!, b! ** 2]);

  it('ignores rotation, scale and offset of the features, and the order of the examples', () => {
    const [cos, sin] = [Math.cos(0.7), Math.sin(0.7)];
    const moved = x.map(([a, b, c]) => [
      7 * (cos * a! - sin * b!) + 100,
      7 * (sin * a! + cos * b!) - 40,
      -7 * c! + 3,
    ]);
    const { biased, debiased } = ckaOf([x, moved, y], kernel);
    const backwards = ckaOf([x.toReversed(), moved.toReversed(), y.toReversed()], kernel);
    for (const matrix of [biased, debiased]) {
      expect(matrix[0]![1]).toBeCloseTo(1, 9);
      expect(matrix[1]![2]).toBeCloseTo(matrix[0]![2]!, 4);
      expect(matrix[0]![2]).toBeLessThan(0.95);
    }
    expectClose(backwards.biased, biased, 12);
    expectClose(backwards.debiased, debiased, 12);
  });

  it('is 1 with itself, symmetric, and null for a layer that does not vary', () => {
    const { biased, debiased } = ckaOf([x, y, x.map(() => [0.1, 7])], kernel, [10, 20]);
    for (const matrix of [biased, debiased]) {
      expect([matrix[0]![0], matrix[1]![1], matrix[2]![2]]).toEqual([1, 1, null]);
      expect(matrix[0]![1]).toBe(matrix[1]![0]);
      expect(matrix[0]![2]).toBeNull();
    }
  });
});

it('becomes the linear kernel as the bandwidth grows', () => {
  const features = [gaussian(40, 5, 'x'), gaussian(40, 5, 'x').map((row) => row.map((v) => v + v ** 3 / 3))];
  const far = ckaOf(features, rbf(1000)).debiased[0]![1]!;
  expect(far).toBeCloseTo(ckaOf(features, linear).debiased[0]![1]!, 4);
  expect(ckaOf(features, rbf(0.5)).debiased[0]![1]).not.toBeCloseTo(far, 2);
});

it('keeps a layer of which most examples are the same', () => {
  const x = gaussian(20, 3, 'x');
  const dull = x.map((row, i) => (i < 17 ? [0, 0, 0] : row));
  const { debiased } = ckaOf([x, dull, dull], rbf(0.8));
  expect(debiased[1]![2]).toBeCloseTo(1, 12);
  expect(Number.isFinite(debiased[0]![1])).toBe(true);
});

it('counts no batch before its last layer has come', () => {
  const cka = new MinibatchCka({ layerNames: ['x', 'y'], kernel: linear, batchSize: 8 });
  expect(cka.result()).toMatchObject({
    n: 0,
    batches: 0,
    debiased: [
      [null, null],
      [null, null],
    ],
  });
  cka.add(batchOf(gaussian(8, 3, 'x')));
  expect(cka.result().n).toBe(0);
  cka.add(batchOf(gaussian(8, 5, 'y')));
  expect(cka.result().n).toBe(8);
});

it('refuses batches that do not fit', () => {
  const spec = { layerNames: ['x', 'y'], kernel: linear, batchSize: 8 };
  expect(() => new MinibatchCka({ ...spec, batchSize: 3 })).toThrow(InputError);
  expect(() => new MinibatchCka({ ...spec, layerNames: [] })).toThrow(InputError);
  const cka = new MinibatchCka(spec);
  for (const n of [3, 9]) expect(() => cka.add(batchOf(gaussian(n, 2, 'x')))).toThrow(ShapeError);
  cka.add(batchOf(gaussian(8, 2, 'x')));
  expect(() => cka.add(batchOf(gaussian(7, 2, 'y')))).toThrow(/do not fit/);
  expect(() => cka.add(batchOf(gaussian(8, 2, 'y').map(() => [NaN, 0])))).toThrow(TrainingError);
});

describe('the bytes of LinearCka', () => {
  const peakOf = (n: number) => {
    const cka = new LinearCka(['x', 'y']);
    for (let i = 0; i < n; i += 50) cka.add([gaussian(50, 24, 'x', i), gaussian(50, 8, 'y', i)].map(batchOf));
    cka.result();
    return cka.peakBytes;
  };

  it('are bounded whatever the examples, and never more than it says beforehand', () => {
    const peaks = [50, 200, 1000, 2000].map((n) => {
      const peak = peakOf(n);
      expect(peak).toBeGreaterThan(0);
      expect(peak).toBeLessThanOrEqual(LinearCka.bytesFor([24, 8], n));
      return peak;
    });
    expect(peaks[3]).toBe(peaks[2]);
  });
});
