/** Row-major operands A [m, k] and B [n, k], and the sums C [m, n]. */
export interface DotProducts {
  readonly a: Float64Array;
  readonly b: Float64Array;
  readonly c: Float64Array;
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/**
 * Adds A·Bᵀ to C in float64.
 * Four rows by four rows at a time: sixteen products for eight loads, in registers.
 */
export function addDotProducts(products: DotProducts): void {
  const { m, n } = products;
  const mBlocked = m - (m % 4);
  const nBlocked = n - (n % 4);
  for (let i = 0; i < mBlocked; i += 4) {
    for (let j = 0; j < nBlocked; j += 4) addBlock(products, i, j);
    for (let j = nBlocked; j < n; j++) for (let r = 0; r < 4; r++) addOne(products, i + r, j);
  }
  for (let i = mBlocked; i < m; i++) for (let j = 0; j < n; j++) addOne(products, i, j);
}

function addOne({ a, b, c, n, k }: DotProducts, i: number, j: number): void {
  let sum = 0;
  for (let at = 0; at < k; at++) sum += a[i * k + at]! * b[j * k + at]!;
  c[i * n + j]! += sum;
}

function addBlock({ a, b, c, n, k }: DotProducts, i: number, j: number): void {
  let s00 = 0;
  let s01 = 0;
  let s02 = 0;
  let s03 = 0;
  let s10 = 0;
  let s11 = 0;
  let s12 = 0;
  let s13 = 0;
  let s20 = 0;
  let s21 = 0;
  let s22 = 0;
  let s23 = 0;
  let s30 = 0;
  let s31 = 0;
  let s32 = 0;
  let s33 = 0;
  const a0 = i * k;
  const a1 = a0 + k;
  const a2 = a1 + k;
  const a3 = a2 + k;
  const b0 = j * k;
  const b1 = b0 + k;
  const b2 = b1 + k;
  const b3 = b2 + k;
  for (let at = 0; at < k; at++) {
    const x0 = a[a0 + at]!;
    const x1 = a[a1 + at]!;
    const x2 = a[a2 + at]!;
    const x3 = a[a3 + at]!;
    const y0 = b[b0 + at]!;
    const y1 = b[b1 + at]!;
    const y2 = b[b2 + at]!;
    const y3 = b[b3 + at]!;
    s00 += x0 * y0;
    s01 += x0 * y1;
    s02 += x0 * y2;
    s03 += x0 * y3;
    s10 += x1 * y0;
    s11 += x1 * y1;
    s12 += x1 * y2;
    s13 += x1 * y3;
    s20 += x2 * y0;
    s21 += x2 * y1;
    s22 += x2 * y2;
    s23 += x2 * y3;
    s30 += x3 * y0;
    s31 += x3 * y1;
    s32 += x3 * y2;
    s33 += x3 * y3;
  }
  const c0 = i * n + j;
  const c1 = c0 + n;
  const c2 = c1 + n;
  const c3 = c2 + n;
  c[c0]! += s00;
  c[c0 + 1]! += s01;
  c[c0 + 2]! += s02;
  c[c0 + 3]! += s03;
  c[c1]! += s10;
  c[c1 + 1]! += s11;
  c[c1 + 2]! += s12;
  c[c1 + 3]! += s13;
  c[c2]! += s20;
  c[c2 + 1]! += s21;
  c[c2 + 2]! += s22;
  c[c2 + 3]! += s23;
  c[c3]! += s30;
  c[c3 + 1]! += s31;
  c[c3 + 2]! += s32;
  c[c3 + 3]! += s33;
}
