import { GraphBuilder, hostTensor, makeProgram, matmul, narrow } from '@kora-bench/core';
import { normalValues } from './normal-values.mjs';

/**
 * The product of a state `x` and a frozen weight `w`, both `[n, n]`: nothing is uploaded in a run.
 * Outputs: `y` `[n, n]` and its first element `corner` `[1, 1]`, which waits for `y` without moving it.
 */
export function matrixProduct(n) {
  const builder = new GraphBuilder();
  const y = matmul(builder.state('x', [n, n]), builder.frozen('w', [n, n]));
  const normal = normalValues(0, 'product');
  const matrix = () => hostTensor([n, n], normal(n * n, 1));
  return {
    program: makeProgram({ y, corner: narrow(narrow(y, 0, 0, 1), 1, 0, 1) }),
    weights: new Map([['w', matrix()]]),
    state: { x: matrix() },
    flops: 2 * n ** 3,
  };
}
