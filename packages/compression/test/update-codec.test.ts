import type { Form, UpdateTensor } from '@kora-bench/compression';
import {
  decodeUpdate,
  encodeUpdate,
  formName,
  formsFor,
  quantiseRow,
  rowValues,
} from '@kora-bench/compression';
import { FormatError, InputError } from '@kora-bench/core/errors';
import { sizeOf } from '@kora-bench/core/graph';
import { randomStream } from '@kora-bench/core/random';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { brotli } from './brotli.js';

const normals = (shape: readonly number[], std: number, name: string): Float32Array => {
  const random = randomStream(5, name);
  return Float32Array.from({ length: sizeOf(shape) }, () => std * random.normal());
};

/** A trained tensor not far from a start. */
const trained = (name: string, shape: readonly number[], std = 0.1): UpdateTensor => {
  const start = normals(shape, 1, `${name}/start`);
  const change = normals(shape, std, name);
  return { shape, start, values: start.map((value, i) => value + change[i]!) };
};

/** A low-rank pair, a gate, a bias, positions and a head, as methods have them. */
const update: readonly UpdateTensor[] = [
  trained('A', [8, 96]),
  { shape: [96, 8], values: normals([96, 8], 0.2, 'B') },
  { shape: [], values: Float32Array.of(0.73) },
  trained('bias', [96]),
  trained('positions', [1, 17, 24]),
  trained('head', [100, 96], 0.05),
];

const back = (tensors: readonly UpdateTensor[], form: Form) =>
  decodeUpdate(encodeUpdate(tensors, form, brotli), tensors, brotli);

const changesOf = ({ values, start }: UpdateTensor): number[] =>
  Array.from(values, (value, i) => value - (start?.[i] ?? 0));

const squaredError = (tensor: UpdateTensor, decoded: Float32Array) =>
  tensor.values.reduce((sum, value, i) => sum + (value - decoded[i]!) ** 2, 0);

describe('a quantised row', () => {
  const values = fc.array(fc.float({ min: -1000, max: 1000, noNaN: true }), { minLength: 1, maxLength: 60 });

  test('stays within half a step of its whole range, in the root of the mean square', () => {
    fc.assert(
      fc.property(values, fc.integer({ min: 2, max: 8 }), (given, bits) => {
        const row = Float64Array.from(given);
        const found = rowValues(quantiseRow(row, bits));
        const error = Math.sqrt(row.reduce((sum, x, i) => sum + (x - found[i]!) ** 2, 0) / row.length);
        const [low, high] = [Math.min(...row), Math.max(...row)];
        // Offset and step are rounded outwards to the eleven bits of binary16.
        const rounding = 2 ** -10 * (Math.abs(low) + (high - low)) + 2 ** -23;
        const step = (high - low + rounding) / (2 ** bits - 1);
        expect(error).toBeLessThanOrEqual((1 + 2 ** -10) * (step / 2) + 2 ** -24);
      }),
    );
  });

  test('takes the nearest of the values it has', () => {
    fc.assert(
      fc.property(values, fc.integer({ min: 2, max: 8 }), (given, bits) => {
        const row = quantiseRow(Float64Array.from(given), bits);
        const all = rowValues({
          ...row,
          levels: Uint8Array.from({ length: 2 ** bits }, (_, level) => level),
        });
        const found = rowValues(row);
        for (const [i, x] of given.entries())
          expect(Math.abs(x - found[i]!)).toBeLessThanOrEqual(
            Math.min(...all.map((value) => Math.abs(x - value))) + 1e-9 * Math.max(1, Math.abs(x)),
          );
      }),
    );
  });

  test.each([
    [2, 0.1188],
    [3, 0.03744],
    [4, 0.01154],
  ])(
    'of %i bits has the error of the best uniform quantiser of a normal variable (Max 1960)',
    (bits, least) => {
      const row = Float64Array.from(normals([5000], 1, 'row'));
      const found = rowValues(quantiseRow(row, bits));
      const variance = row.reduce((sum, x) => sum + x ** 2, 0) / row.length;
      const error = row.reduce((sum, x, i) => sum + (x - found[i]!) ** 2, 0) / row.length;
      expect(Math.abs(error / variance / least - 1)).toBeLessThan(0.05);
    },
  );

  test('gives a single value, and values that are alike, back within binary16', () => {
    for (const value of [0, 0.73, -0.1, 1e-9, -65504, 65504])
      for (const row of [[value], [value, value, value]]) {
        const found = rowValues(quantiseRow(Float64Array.from(row), 2));
        for (const x of found)
          expect(Math.abs(x - value)).toBeLessThanOrEqual(2 ** -11 * Math.abs(value) + 2 ** -24);
      }
  });
});

describe('an update', () => {
  test('of float32 comes back bit by bit, whatever the bits are', () => {
    const any = fc.float32Array({ minLength: 6, maxLength: 6, noNaN: true });
    fc.assert(
      fc.property(any, fc.option(any, { nil: undefined }), (values, start) => {
        const tensors = [{ shape: [2, 3], values, ...(start && { start }) }];
        const [found] = back(tensors, { kind: 'float32' });
        expect(new Uint8Array(found!.buffer)).toEqual(new Uint8Array(values.buffer, values.byteOffset, 24));
      }),
    );
    for (const [i, found] of back(update, { kind: 'float32' }).entries())
      expect(found).toEqual(update[i]!.values);
  });

  test('of float16 has the changes rounded to it', () => {
    for (const [i, found] of back(update, { kind: 'float16' }).entries())
      for (const [k, change] of changesOf(update[i]!).entries())
        expect(Math.abs(found[k]! - update[i]!.values[k]!)).toBeLessThanOrEqual(
          2 ** -11 * Math.abs(change) + 1e-6,
        );
  });

  test('takes less the fewer bits it has, and comes back the worse', () => {
    const forms = formsFor(update.map(({ shape }) => shape)).filter(({ kind }) => !/pruned|low/.test(kind));
    const sizes = forms.map((form) => encodeUpdate(update, form, brotli).length);
    const errors = forms.map((form) =>
      back(update, form).reduce((sum, found, i) => sum + squaredError(update[i]!, found), 0),
    );
    expect(forms.map(formName)).toEqual([
      'float32',
      'float16',
      '8 bits',
      '6 bits',
      '4 bits',
      '3 bits',
      '2 bits',
    ]);
    for (let i = 1; i < forms.length; i++) {
      expect(sizes[i]).toBeLessThan(sizes[i - 1]!);
      expect(errors[i]).toBeGreaterThan(errors[i - 1]!);
    }
  });

  test('that is pruned keeps the largest changes of each tensor, and the start elsewhere', () => {
    const found = back(update, { kind: 'pruned', removed: 75, bits: 8 });
    for (const [i, tensor] of update.entries()) {
      const changes = changesOf(tensor).map(Math.abs);
      const kept = [...found[i]!].map((value, k) => value !== (tensor.start?.[k] ?? 0));
      const removed = Math.floor(0.75 * changes.length);
      const threshold = changes.toSorted((a, b) => a - b)[removed] ?? 0;
      expect(kept.filter((one) => !one).length).toBe(removed);
      for (const [k, change] of changes.entries()) expect(kept[k]).toBe(change >= threshold);
      const largest = Math.max(...changes);
      for (const [k, one] of kept.entries())
        if (one) expect(Math.abs(found[i]![k]! - tensor.values[k]!)).toBeLessThan(0.01 * largest);
    }
    const sizes = [50, 75, 90, 95].map(
      (removed) => encodeUpdate(update, { kind: 'pruned', removed, bits: 8 }, brotli).length,
    );
    expect(sizes).toEqual(sizes.toSorted((a, b) => b - a));
  });

  test('that is pruned loses the first of equal entries', () => {
    const equal = [{ shape: [3], values: Float32Array.of(2, 2, 2) }];
    expect(back(equal, { kind: 'pruned', removed: 50, bits: 8 })).toEqual([Float32Array.of(0, 2, 2)]);
  });

  test('of low rank is the matrix’s best of that rank, but for the rounding of its factors', () => {
    const [left, right] = [normals([30, 2], 1, 'left'), normals([20, 2], 1, 'right')];
    const values = Float32Array.from({ length: 600 }, (_, at) => {
      const [i, j] = [Math.floor(at / 20), at % 20];
      return 3 * left[2 * i]! * right[2 * j]! + left[2 * i + 1]! * right[2 * j + 1]!;
    });
    const matrix: UpdateTensor = { shape: [30, 20], values };
    const norm = squaredError(matrix, new Float32Array(600));
    const [first] = back([matrix], { kind: 'low-rank', rank: 1, bits: 8 });
    const [second] = back([matrix], { kind: 'low-rank', rank: 2, bits: 8 });
    expect(squaredError(matrix, first!) / norm).toBeGreaterThan(0.01);
    expect(squaredError(matrix, second!) / norm).toBeLessThan(1e-4);
    expect(encodeUpdate([matrix], { kind: 'low-rank', rank: 1, bits: 8 }, brotli).length).toBeLessThan(
      encodeUpdate([matrix], { kind: 'quantised', bits: 8 }, brotli).length,
    );
  });

  test('that changes nothing comes back as the start in every form', () => {
    const still: readonly UpdateTensor[] = [
      { shape: [8, 12], values: normals([8, 12], 1, 'x'), start: normals([8, 12], 1, 'x') },
      { shape: [12, 4], values: new Float32Array(48) },
      { shape: [0, 3], values: new Float32Array(0) },
    ];
    for (const form of formsFor(still.map(({ shape }) => shape)))
      expect(back(still, form), formName(form)).toEqual(still.map(({ values }) => values));
  });

  test('is the same bytes each time, and none for no tensors', () => {
    for (const form of formsFor(update.map(({ shape }) => shape)))
      expect(encodeUpdate(update, form, brotli), formName(form)).toEqual(encodeUpdate(update, form, brotli));
    expect(encodeUpdate([], { kind: 'quantised', bits: 4 }, brotli)).toHaveLength(0);
    expect(decodeUpdate(new Uint8Array(0), [], brotli)).toEqual([]);
  });
});

test('ranks are tried where factors have fewer entries than the tensor', () => {
  const ranks = (...shapes: number[][]) =>
    formsFor(shapes).flatMap((form) => (form.kind === 'low-rank' ? [form.rank] : []));
  expect(ranks([96])).toEqual([]);
  expect(ranks([8, 96], [96, 8])).toEqual([1, 2, 4]);
  expect(ranks([8, 96], [1, 100, 96])).toEqual([1, 2, 4, 8, 16, 32]);
});

test('bytes that are damaged or of other tensors are refused', () => {
  const bytes = encodeUpdate(update, { kind: 'quantised', bits: 4 }, brotli);
  expect(() => decodeUpdate(bytes.subarray(1), update, brotli)).toThrow(FormatError);
  expect(() => decodeUpdate(bytes, update.slice(1), brotli)).toThrow(FormatError);
  expect(() => decodeUpdate(brotli.compress(Uint8Array.of(9, 9, 9, 9, 9)), update, brotli)).toThrow(
    FormatError,
  );
});

test('values that binary16 cannot hold are refused by their place', () => {
  const tensors = [
    { shape: [2], values: Float32Array.of(1, 2) },
    { shape: [1], values: Float32Array.of(1e6) },
  ];
  for (const form of formsFor([[2], [1]]).slice(1))
    expect(() => encodeUpdate(tensors, form, brotli)).toThrow(
      expect.objectContaining({
        code: 'INPUT',
        where: 'tensor 1, element 0',
        received: '1000000',
      }) as InputError,
    );
  expect(() =>
    encodeUpdate([{ shape: [1], values: Float32Array.of(Number.NaN) }], { kind: 'float16' }, brotli),
  ).toThrow(InputError);
});
