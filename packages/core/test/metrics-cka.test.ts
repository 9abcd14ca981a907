import { ShapeError, TrainingError } from '@kora-bench/core/errors';
import { CrossCka, type LayerBatch, LinearCka } from '@kora-bench/core/metrics';
import { randomStream } from '@kora-bench/core/random';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const layer = (data: Float32Array, n: number): LayerBatch => ({ data, shape: [n, data.length / n] });

const gaussian = (n: number, width: number, label: string, seed = 0): LayerBatch => {
  const stream = randomStream(seed, label);
  return layer(
    Float32Array.from({ length: n * width }, () => stream.normal()),
    n,
  );
};

/** Features by an integer formula that Python repeats. */
const formula = (n: number, width: number, s: number): LayerBatch =>
  layer(
    Float32Array.from({ length: n * width }, (_, at) => {
      const [i, c] = [Math.floor(at / width), at % width];
      return ((i * 7919 * s + c * 104729 + i * c * 31 * s + i * i * 17) % 1000) / 200;
    }),
    n,
  );

const rowsOf = ({ data, shape }: LayerBatch, from: number, to: number): LayerBatch => {
  const [n, width] = shape as [number, number];
  const end = Math.min(n, to);
  return { data: data.slice(from * width, end * width), shape: [end - from, width] };
};

/** A map of the features of each example. */
const mapped = ({ data, shape }: LayerBatch, f: (row: Float32Array) => ArrayLike<number>): LayerBatch => {
  const [n, width] = shape as [number, number];
  const rows = Array.from({ length: n }, (_, i) => Array.from(f(data.subarray(i * width, (i + 1) * width))));
  return { data: Float32Array.from(rows.flat()), shape: [n, rows[0]!.length] };
};

function ckaOf(layers: readonly LayerBatch[], batch = Number.POSITIVE_INFINITY) {
  const cka = new LinearCka(layers.map((_, l) => `layer ${l}`));
  const n = layers[0]!.shape[0]!;
  const step = Math.min(batch, n);
  for (let i = 0; i < n; i += step) cka.add(layers.map((one) => rowsOf(one, i, i + step)));
  return cka.result();
}

/** Both estimators straight from the Gram matrices, as the papers write them. */
function gramCka(x: LayerBatch, y: LayerBatch): { biased: number; debiased: number } {
  const n = x.shape[0]!;
  const range = Array.from({ length: n }, (_, i) => i);
  const gram = ({ data, shape }: LayerBatch) =>
    range.map((i) =>
      range.map((j) => {
        const width = shape[1]!;
        let sum = 0;
        for (let d = 0; d < width; d++) sum += data[i * width + d]! * data[j * width + d]!;
        return sum;
      }),
    );
  const total = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  const centred = (k: number[][]) => {
    const rowMeans = k.map((row) => total(row) / n);
    const mean = total(rowMeans) / n;
    return k.map((row, i) => row.map((value, j) => value - rowMeans[i]! - rowMeans[j]! + mean));
  };
  const uCentred = (k: number[][]) => {
    const hollow = k.map((row, i) => row.map((value, j) => (i === j ? 0 : value)));
    const rowSums = hollow.map(total);
    const all = total(rowSums);
    return hollow.map((row, i) =>
      row.map((value, j) =>
        i === j ? 0 : value - (rowSums[i]! + rowSums[j]!) / (n - 2) + all / ((n - 1) * (n - 2)),
      ),
    );
  };
  const dot = (a: number[][], b: number[][]) =>
    total(a.map((row, i) => total(row.map((v, j) => v * b[i]![j]!))));
  const align = (a: number[][], b: number[][]) => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
  const [k, l] = [gram(x), gram(y)];
  return { biased: align(centred(k), centred(l)), debiased: align(uCentred(k), uCentred(l)) };
}

describe('LinearCka', () => {
  // NumPy 2.4.6, float64, from the Gram matrices. At widths 5 and 9, forty examples go by way of Gram
  // matrices and two hundred by way of cross products.
  it.each([
    [40, 0.12513722135241104, -0.023712685348844832],
    [200, 0.02664913221148901, -0.006562636710713911],
  ])("gives NumPy's numbers for %d examples", (n, biased, debiased) => {
    const result = ckaOf([formula(n, 5, 1), formula(n, 9, 3)], 32);
    expect(result.n).toBe(n);
    expect(result.biased[0]![1]).toBeCloseTo(biased, 10);
    expect(result.debiased[1]![0]).toBeCloseTo(debiased, 10);
  });

  it('equals the Gram formulas for any shape, on either side of the change to cross products', () => {
    const count = fc.integer({ min: 4, max: 150 });
    const width = fc.integer({ min: 1, max: 9 });
    fc.assert(
      fc.property(count, width, width, fc.nat(), (n, p, q, seed) => {
        const x = gaussian(n, p, 'x', seed);
        const y = mapped(gaussian(n, q, 'y', seed), (row) => row.map((v) => v + 0.5));
        const { biased, debiased } = ckaOf([x, y], 50);
        const expected = gramCka(x, y);
        expect(biased[0]![1]).toBeCloseTo(expected.biased, 8);
        if (debiased[0]![1] !== null) expect(debiased[0]![1]).toBeCloseTo(expected.debiased, 6);
        else expect(n).toBeLessThan(6);
      }),
      { numRuns: 40 },
    );
  });

  it('has the same bits for every batch size', () => {
    const layers = [gaussian(300, 6, 'x'), gaussian(300, 3, 'y'), gaussian(300, 5, 'z')];
    const whole = ckaOf(layers);
    for (const batch of [1, 7, 64, 299]) expect(ckaOf(layers, batch)).toEqual(whole);
  });

  it.each([50, 400])('ignores rotation, scale and offset of the features (%d examples)', (n) => {
    const x = gaussian(n, 3, 'x');
    const y = mapped(x, ([a, b]) => [a! + 0.5 * b!, b! * b!]);
    const angle = 0.7;
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    const moved = mapped(x, ([a, b, c]) => [
      7 * (cos * a! - sin * b!) + 100,
      7 * (sin * a! + cos * b!) - 40,
      -7 * c! + 3,
    ]);
    const result = ckaOf([x, moved, y]);
    for (const matrix of [result.biased, result.debiased]) {
      expect(matrix[0]![1]).toBeCloseTo(1, 9);
      expect(matrix[1]![2]).toBeCloseTo(matrix[0]![2]!, 5);
      expect(matrix[0]![2]).toBeLessThan(0.95);
    }
  });

  it('keeps its precision under an offset a thousand times the spread', () => {
    const x = mapped(gaussian(300, 4, 'x'), (row) => row.map((v) => Math.round(v * 1024) / 1024));
    const y = gaussian(300, 4, 'y');
    const far = mapped(x, (row) => row.map((v) => v + 4096));
    const result = ckaOf([x, far, y]);
    expect(result.debiased[1]![2]).toBeCloseTo(result.debiased[0]![2]!, 10);
    expect(result.biased[0]![1]).toBeCloseTo(1, 10);
  });

  it('is unbiased where the published estimator calls unrelated wide layers similar', () => {
    const { biased, debiased } = ckaOf([gaussian(60, 500, 'x'), gaussian(60, 500, 'y')]);
    expect(biased[0]![1]).toBeGreaterThan(0.8);
    expect(Math.abs(debiased[0]![1]!)).toBeLessThan(0.1);
  });

  it('is 1 with itself and symmetric', () => {
    const { biased, debiased, layers } = ckaOf([gaussian(30, 4, 'x'), gaussian(30, 8, 'y')]);
    expect(layers).toEqual(['layer 0', 'layer 1']);
    for (const matrix of [biased, debiased]) {
      expect([matrix[0]![0], matrix[1]![1]]).toEqual([1, 1]);
      expect(matrix[0]![1]).toBe(matrix[1]![0]);
    }
  });

  it('is null, not NaN, where it is not defined', () => {
    const nothing = [
      [null, null],
      [null, null],
    ];
    expect(new LinearCka(['a', 'b']).result()).toMatchObject({ n: 0, biased: nothing, debiased: nothing });
    const three = ckaOf([gaussian(3, 2, 'x'), gaussian(3, 2, 'y')]);
    expect(three.biased[0]![1]).not.toBeNull();
    expect(three.debiased).toEqual(nothing);
    for (const n of [20, 200]) {
      const constant = layer(new Float32Array(2 * n).fill(0.1), n);
      const { biased, debiased } = ckaOf([gaussian(n, 2, 'x'), constant], 7);
      for (const matrix of [biased, debiased])
        expect(matrix).toEqual([
          [1, null],
          [null, null],
        ]);
    }
  });

  it('can go on after a result', () => {
    const [x, y] = [gaussian(200, 3, 'x'), gaussian(200, 3, 'y')];
    const cka = new LinearCka(['x', 'y'], [3, 3]);
    cka.add([rowsOf(x, 0, 90), rowsOf(y, 0, 90)]);
    expect(cka.result().n).toBe(90);
    cka.add([rowsOf(x, 90, 200), rowsOf(y, 90, 200)]);
    expect(cka.result().debiased[0]![1]).toBeCloseTo(ckaOf([x, y]).debiased[0]![1]!, 10);
  });

  it('refuses layers that do not fit, and numbers that are not', () => {
    const cka = new LinearCka(['x', 'y'], [3, 2]);
    const [x, y] = [gaussian(5, 3, 'x'), gaussian(5, 2, 'y')];
    expect(() => cka.add([x])).toThrow(ShapeError);
    expect(() => cka.add([x, gaussian(4, 2, 'y')])).toThrow(ShapeError);
    expect(() => cka.add([x, gaussian(5, 3, 'y')])).toThrow(expect.objectContaining({ where: 'layer "y"' }));
    expect(() => cka.add([{ ...x, shape: [5, 1, 3] }, y])).toThrow(ShapeError);
    const diverged = mapped(y, (row) => row.map(() => NaN));
    expect(() => cka.add([x, diverged])).toThrow(TrainingError);
    expect(cka.result().n).toBe(0);
  });
});

describe('CrossCka', () => {
  it.each([40, 300])('gives the same numbers as LinearCka over both models (%d examples)', (n) => {
    const rows = [gaussian(n, 3, 'a'), gaussian(n, 4, 'b')];
    const columns = [mapped(rows[0]!, ([a, b]) => [a! * b!, a!]), gaussian(n, 2, 'c'), rows[1]!];
    const cross = new CrossCka(['a', 'b'], ['p', 'q', 'r']);
    cross.add(rows, columns);
    const result = cross.result();
    const all = ckaOf([...rows, ...columns]);
    expect(result).toMatchObject({ rows: ['a', 'b'], columns: ['p', 'q', 'r'], n });
    for (let a = 0; a < 2; a++) {
      for (let b = 0; b < 3; b++) {
        expect(result.biased[a]![b]).toBeCloseTo(all.biased[a]![2 + b]!, 10);
        expect(result.debiased[a]![b]).toBeCloseTo(all.debiased[a]![2 + b]!, 10);
      }
    }
    expect(result.debiased[1]![2]).toBeCloseTo(1, 10);
    expect(() => cross.add(rows, rows)).toThrow(ShapeError);
  });
});
