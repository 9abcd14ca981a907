import type { Backend } from '@kora-bench/core/backend';
import { GraphBuilder } from '@kora-bench/core/graph';
import { matmul, sum } from '@kora-bench/core/ops';
import { makeProgram, programCost } from '@kora-bench/core/passes';
import { noiseFeeds } from '@kora-bench/core/peft';
import { randomStream } from '@kora-bench/core/random';
import { defaultAdamW, optimizerFeeds } from '@kora-bench/core/training';
import { Bench } from 'tinybench';
import { z } from 'zod';
import { programMemorySchema } from '../records/phase-record-schema.js';
import { peerComparisonSchema } from './measure-peer.js';
import type { ThroughputSpec } from './training-step.js';
import { openTrainingStep } from './training-step.js';

/** Speed of one method's training step on one backend. */
export const throughputCellSchema = z.strictObject({
  backend: z.string(),
  device: z.string(),
  method: z.string(),
  model: z.string(),
  batch: z.int().min(1),
  imagesPerSecond: z
    .number()
    .min(0)
    .describe('Of whole training steps, from images to updated parameters; median.'),
  gflopsPerSecond: z
    .number()
    .min(0)
    .describe('The program’s own FLOPs after pruning, over the median step time.'),
  peakGflopsPerSecond: z
    .number()
    .positive()
    .optional()
    .describe('The best matrix product of this backend in the same process; absent where it was left out.'),
  shareOfPeak: z.number().min(0).optional(),
  peakMemoryBytes: z.int().min(0).describe('Largest resident set of the process that measured this cell.'),
  deviceMemory: programMemorySchema
    .optional()
    .describe('What the step takes on the device; absent where the backend does not tell.'),
  dispatches: z
    .int()
    .min(0)
    .optional()
    .describe('Kernels that a step starts; absent where the backend does not tell.'),
  peers: z
    .array(peerComparisonSchema)
    .optional()
    .describe('The same step in other libraries, by turns; absent where it was not asked for.'),
});
export type ThroughputCell = z.infer<typeof throughputCellSchema>;

/**
 * Measures whole training steps of a method's last stage on random images and weights, next to the best
 * matrix product of the same backend, measured before and after in the same process unless it is left out.
 */
export async function measureThroughput(spec: ThroughputSpec): Promise<ThroughputCell> {
  const { backend, model, batch, peak: withPeak = true, now = () => performance.now() } = spec;
  const { program, feeds, noise, session } = await openTrainingStep(spec);
  const measurePeak = async () => (withPeak ? [await peakGflops(backend, { now })] : []);
  const before = await measurePeak();
  let step = 0;
  try {
    const bench = new Bench({
      now,
      time: spec.milliseconds,
      iterations: 5,
      warmupTime: spec.milliseconds / 5,
      warmupIterations: 2,
    });
    bench.add('training step', async () => {
      const drawn = noiseFeeds(noise, 0, step);
      await session.run({ ...feeds, ...drawn, ...optimizerFeeds(defaultAdamW, step++, 1e-4) }, []);
    });
    await bench.run();
    const seconds = medianLatency(bench) / 1000;
    const peaks = [...before, ...(await measurePeak())];
    const peak = Math.max(...peaks);
    const gflopsPerSecond = programCost(program).flops / seconds / 1e9;
    return {
      backend: backend.name,
      device: backend.device,
      method: spec.label,
      model: model.name,
      batch,
      imagesPerSecond: batch / seconds,
      gflopsPerSecond,
      ...(withPeak && { peakGflopsPerSecond: peak, shareOfPeak: gflopsPerSecond / peak }),
      peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
      ...(session.memory && { deviceMemory: session.memory }),
      ...(session.dispatches !== undefined && { dispatches: session.dispatches }),
    };
  } finally {
    await session.close();
  }
}

/** Products x·W of activations with a frozen weight, as models run them: rows, inner extent, columns. */
const shapes = [
  [1024, 1024, 1024],
  [2048, 768, 768],
  [3152, 192, 768],
  [3152, 768, 192],
] as const;

/** The rate of the matrix product that `backend` is best at, in GFLOP/s: the median, as of what it is compared with. */
export async function peakGflops(
  backend: Backend,
  { milliseconds = 300, now = () => performance.now() } = {},
): Promise<number> {
  let best = 0;
  for (const [rows, inner, columns] of shapes) {
    const builder = new GraphBuilder();
    const product = matmul(builder.feed('x', [rows, inner]), builder.frozen('w', [inner, columns]));
    const program = makeProgram({ y: product, checksum: sum(product) });
    const x = random('x', [rows, inner]);
    const executable = await backend.compile(program, new Map([['w', random('w', [inner, columns])]]));
    try {
      const bench = new Bench({
        now,
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
