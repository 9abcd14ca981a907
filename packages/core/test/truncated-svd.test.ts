import { truncatedSvd } from '@kora-bench/core/linear-algebra';
import { expect, test } from 'vitest';

test.each([
  ['tall', 40, 25, 25],
  ['wide', 20, 90, 3],
  ['of one column', 7, 1, 1],
])('singular triplets of a matrix that is %s', (_, rows, columns, rank) => {
  const matrix = Float64Array.from({ length: rows * columns }, (_, i) => Math.sin(i * i + 0.1 * i));
  const { values, left, right } = truncatedSvd(matrix, rows, columns, rank);
  for (let k = 0; k < rank; k++) {
    if (k > 0) expect(values[k]).toBeLessThanOrEqual(values[k - 1]!);
    for (let row = 0; row < rows; row++) {
      const product = right[k]!.reduce((sum, x, column) => sum + matrix[row * columns + column]! * x, 0);
      expect(Math.abs(product - values[k]! * left[k]![row]!)).toBeLessThan(1e-11 * values[0]!);
    }
  }
});

test('the leading triplets make the nearest matrix of their rank (Eckart and Young 1936)', () => {
  const [rows, columns] = [24, 15];
  const singular = [9, 5, 2.5, 1, 0.4];
  // Householder reflections are orthogonal, so their columns are singular vectors by construction.
  const reflection = (size: number) => {
    const v = Float64Array.from({ length: size }, (_, i) => Math.cos(i + size));
    const norm = v.reduce((sum, x) => sum + x * x, 0);
    return (i: number, j: number) => (i === j ? 1 : 0) - (2 * v[i]! * v[j]!) / norm;
  };
  const [u, v] = [reflection(rows), reflection(columns)];
  const matrix = Float64Array.from({ length: rows * columns }, (_, at) => {
    const [i, j] = [Math.floor(at / columns), at % columns];
    return singular.reduce((sum, value, k) => sum + value * u(i, k) * v(j, k), 0);
  });
  for (let rank = 1; rank <= singular.length; rank++) {
    const { values, left, right } = truncatedSvd(matrix, rows, columns, rank);
    for (let k = 0; k < rank; k++) expect(values[k]).toBeCloseTo(singular[k]!, 10);
    const error = matrix.reduce((sum, x, at) => {
      const [i, j] = [Math.floor(at / columns), at % columns];
      const near = values.reduce((total, value, k) => total + value * left[k]![i]! * right[k]![j]!, 0);
      return sum + (x - near) ** 2;
    }, 0);
    const beyond = singular.slice(rank).reduce((sum, value) => sum + value ** 2, 0);
    expect(error).toBeCloseTo(beyond, 10);
  }
});
