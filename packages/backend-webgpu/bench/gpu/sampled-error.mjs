/**
 * The largest error of 64 elements of a product of `matrixProduct`, added up in float64, as a part of the
 * largest of them. Kernels that skip a tile or take a wrong row do not stay unnoticed.
 */
export function sampledError({ state: { x }, weights }, n, result) {
  const w = weights.get('w');
  let largest = 0;
  let difference = 0;
  for (let sample = 0; sample < 64; sample++) {
    // Odd strides reach every row and column of a tile of any power of two.
    const [row, column] = [(sample * 2477 + 1) % n, (sample * 1313 + 3) % n];
    let sum = 0;
    for (let k = 0; k < n; k++) sum += x.data[row * n + k] * w.data[k * n + column];
    largest = Math.max(largest, Math.abs(sum));
    difference = Math.max(difference, Math.abs(result[row * n + column] - sum));
  }
  return difference / largest;
}
