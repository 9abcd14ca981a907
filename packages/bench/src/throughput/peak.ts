import type { Backend } from '@kora-bench/core';
import { GraphBuilder, makeProgram, matmul, randomStream, sum } from '@kora-bench/core';
import { Bench } from 'tinybench';

/** Products x·W of activations with a frozen weight, as models run them: rows, inner extent, columns. */
const shapes = [
  [1024, 1024, 1024],
  [2048, 768, 768],
  [3152, 192, 768],
  [3152, 768, 192],
] as const;

/** The rate of the matrix product that `backend` is best at, in GFLOP/s: the median, as of what it is compared with. */
export async function peakGflops(backend: Backend, milliseconds = 300): Promise<number> {
  let best = 0;
  for (const [rows, inner, columns] of shapes) {
    const builder = new GraphBuilder();
    const product = matmul(builder.feed('x', [rows, inner]), builder.frozen('w', [inner, columns]));
    const program = makeProgram({ y: product, checksum: sum(product) });
    const x = random('x', [rows, inner]);
    const executable = await backend.compile(program, new Map([['w', random('w', [inner, columns])]]));
    try {
      const bench = new Bench({
        time: milliseconds,
        iterations: 5,
        warmupTime: milliseconds / 3,
        warmupIterations: 2,
      });
      bench.add('product', async () => {
        await executable.run({ feeds: { x }, fetch: ['checksum'] });
      });
      await bench.run();
      const flops = 2 * rows * inner * columns;
      best = Math.max(best, flops / medianLatency(bench) / 1e6);
    } finally {
      await executable.dispose();
    }
  }
  return best;
}

/** The median time of a bench's only task, in milliseconds. */
export function medianLatency(bench: Bench): number {
  const result = bench.tasks[0]!.result;
  if (result.state === 'errored') throw result.error;
  if (result.state !== 'completed') throw new RangeError(`The measurement ended as ${result.state}.`);
  return result.latency.p50;
}

function random(
  label: string,
  shape: readonly [number, number],
): { dtype: 'f32'; shape: readonly number[]; data: Float32Array } {
  const stream = randomStream(0, `throughput/${label}`);
  return {
    dtype: 'f32',
    shape,
    data: Float32Array.from({ length: shape[0] * shape[1] }, () => stream.uniform() - 0.5),
  };
}
