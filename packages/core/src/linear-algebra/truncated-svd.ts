import type { HostData } from '../graph/shape.js';
import { randomStream } from '../random/random-stream.js';

/** The r largest singular values of a matrix `[m, n]` and their vectors, the largest first. */
export interface TruncatedSvd {
  /** `[r]`. */
  readonly values: Float64Array;
  /** `[r]` left vectors of length m. */
  readonly left: readonly Float64Array[];
  /** `[r]` right vectors of length n. */
  readonly right: readonly Float64Array[];
}

type Vector = Float64Array<ArrayBuffer>;

/**
 * The leading singular triplets of a row-major matrix: Golub–Kahan–Lanczos bidiagonalisation
 * with full reorthogonalisation (Golub & Van Loan, Matrix Computations, 4th ed., 10.4), continued until the triplets'
 * residuals are below 1e-8 of the largest value or the whole space is spanned, and one-sided Jacobi rotations on what it leaves.
 * @param rank r, at most min(m, n)
 */
export function truncatedSvd(given: HostData, rows: number, columns: number, rank: number): TruncatedSvd {
  if (rows < columns) {
    const { values, left, right } = truncatedSvd(transposed(given, rows, columns), columns, rows, rank);
    return { values, left: right, right: left };
  }
  const matrix = Float64Array.from(given);
  const full = columns;
  const [us, vs]: [Vector[], Vector[]] = [[], []];
  const [alphas, betas]: [number[], number[]] = [[], []];
  const random = randomStream(0, 'truncated-svd');
  const freshDirection = (basis: readonly Vector[], length: number): Vector => {
    const vector = Float64Array.from({ length }, () => random.normal());
    orthogonalize(vector, basis);
    normalize(vector);
    return vector;
  };
  let largest = 0;
  // What is left of a vector in a space that is used up is rounding, and no direction.
  const step = (vector: Vector, basis: readonly Vector[]): number => {
    orthogonalize(vector, basis);
    const norm = normalize(vector);
    largest = Math.max(largest, norm);
    if (norm > 1e-13 * largest) return norm;
    if (basis.length < vector.length) vector.set(freshDirection(basis, vector.length));
    return 0;
  };
  vs.push(freshDirection([], columns));
  for (let size = Math.min(full, 2 * rank + 16); ; size = Math.min(full, Math.ceil(1.5 * size))) {
    while (us.length < size) {
      const k = us.length;
      const u = times(matrix, rows, columns, vs[k]!);
      alphas.push(step(u, us));
      us.push(u);
      const v = timesTransposed(matrix, rows, columns, u);
      betas.push(step(v, vs));
      vs.push(v);
    }
    // usᵀ · matrix · vs is upper bidiagonal: alphas on the diagonal, betas above it.
    const small = jacobiSvd(
      alphas.map((alpha, k) =>
        Float64Array.from(alphas, (_, j) => (j === k ? alpha : j === k + 1 ? betas[k]! : 0)),
      ),
    );
    const found = small.slice(0, rank);
    const residual = Math.max(...found.map(({ left }) => Math.abs(betas[size - 1]! * left[size - 1]!)));
    if (size < full && residual > 1e-8 * largest) continue;
    return {
      values: Float64Array.from(found, ({ value }) => value),
      left: found.map(({ left }) => combine(us, left)),
      right: found.map(({ right }) => combine(vs, right)),
    };
  }
}

interface Triplet {
  readonly value: number;
  readonly left: Vector;
  readonly right: Vector;
}

/** All triplets of a small square matrix given by its rows, the largest first (one-sided Jacobi, on the rows). */
function jacobiSvd(rowsOf: Vector[]): Triplet[] {
  const size = rowsOf.length;
  const turned = rowsOf.map((_, i) => Float64Array.from({ length: size }, (_, j) => (i === j ? 1 : 0)));
  // A few sweeps do; values that are no numbers never would.
  for (let again = true, sweep = 0; again && sweep < 60; sweep++) {
    again = false;
    for (let p = 0; p < size; p++) {
      for (let q = p + 1; q < size; q++) {
        const [x, y] = [rowsOf[p]!, rowsOf[q]!];
        const [xx, yy, xy] = [dot(x, x), dot(y, y), dot(x, y)];
        if (Math.abs(xy) <= 1e-15 * Math.sqrt(xx * yy) || xx * yy === 0) continue;
        again = true;
        const zeta = (yy - xx) / (2 * xy);
        const t = (zeta < 0 ? -1 : 1) / (Math.abs(zeta) + Math.hypot(1, zeta));
        const cosine = 1 / Math.hypot(1, t);
        rotate(x, y, cosine, cosine * t);
        rotate(turned[p]!, turned[q]!, cosine, cosine * t);
      }
    }
  }
  // turned · matrix has orthogonal rows: row k is value · right, and the k-th row of `turned` is left.
  return rowsOf
    .map((right, k) => ({ value: normalize(right), left: turned[k]!, right }))
    .sort((a, b) => b.value - a.value);
}

function rotate(x: Vector, y: Vector, cosine: number, sine: number): void {
  for (let i = 0; i < x.length; i++) {
    const [a, b] = [x[i]!, y[i]!];
    x[i] = cosine * a - sine * b;
    y[i] = sine * a + cosine * b;
  }
}

function dot(x: Vector, y: Vector): number {
  let total = 0;
  for (let i = 0; i < x.length; i++) total += x[i]! * y[i]!;
  return total;
}

/** Scales a vector to norm 1 and returns the norm that it had. */
function normalize(x: Vector): number {
  const norm = Math.sqrt(dot(x, x));
  if (norm > 0) for (let i = 0; i < x.length; i++) x[i]! /= norm;
  return norm;
}

/** Takes out of `x` its parts along an orthonormal basis; twice, since once loses digits. */
function orthogonalize(x: Vector, basis: readonly Vector[]): void {
  for (const vector of [...basis, ...basis]) {
    const part = dot(x, vector);
    for (let i = 0; i < x.length; i++) x[i]! -= part * vector[i]!;
  }
}

function combine(basis: readonly Vector[], factors: Vector): Vector {
  const sum = new Float64Array(basis[0]!.length);
  factors.forEach((factor, k) => {
    for (let i = 0; i < sum.length; i++) sum[i]! += factor * basis[k]![i]!;
  });
  return sum;
}

function transposed(matrix: HostData, rows: number, columns: number): Vector {
  return Float64Array.from(matrix, (_, at) => matrix[(at % rows) * columns + Math.floor(at / rows)]!);
}

function times(matrix: Vector, rows: number, columns: number, x: Vector): Vector {
  const product = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    let total = 0;
    for (let column = 0; column < columns; column++) total += matrix[row * columns + column]! * x[column]!;
    product[row] = total;
  }
  return product;
}

function timesTransposed(matrix: Vector, rows: number, columns: number, x: Vector): Vector {
  const product = new Float64Array(columns);
  for (let row = 0; row < rows; row++) {
    const factor = x[row]!;
    for (let column = 0; column < columns; column++)
      product[column]! += factor * matrix[row * columns + column]!;
  }
  return product;
}
