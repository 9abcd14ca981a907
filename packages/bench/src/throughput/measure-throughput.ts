import type { Backend } from '@kora-bench/core/backend';
import type { HostTensor, HostTensors } from '@kora-bench/core/graph';
import { GraphBuilder, sizeOf } from '@kora-bench/core/graph';
import type { Architecture } from '@kora-bench/core/nn';
import { matmul, sum } from '@kora-bench/core/ops';
import { makeProgram, programCost } from '@kora-bench/core/passes';
import type { ConfiguredMethod } from '@kora-bench/core/peft';
import { initialValue, noiseFeeds, stagesOf } from '@kora-bench/core/peft';
import { randomStream } from '@kora-bench/core/random';
import type { Task } from '@kora-bench/core/training';
import {
  buildTrainProgram,
  defaultAdamW,
  imagesFeed,
  joinFlat,
  modelParameters,
  optimizerFeeds,
  trainsInStage,
} from '@kora-bench/core/training';
import { classificationTask } from '@kora-bench/tasks';
import { exampleWeights, openSession } from '@kora-bench/trainer';
import { Bench } from 'tinybench';
import { z } from 'zod';
import { programMemorySchema } from '../records/record-schema.js';

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
    .describe('The best matrix product of this backend in the same process.'),
  shareOfPeak: z.number().min(0),
  peakMemoryBytes: z.int().min(0).describe('Largest resident set of the process that measured this cell.'),
  deviceMemory: programMemorySchema
    .optional()
    .describe('What the step takes on the device; absent where the backend does not tell.'),
});
export type ThroughputCell = z.infer<typeof throughputCellSchema>;

export interface ThroughputSpec {
  readonly backend: Backend;
  readonly method: ConfiguredMethod;
  readonly label: string;
  readonly model: Architecture;
  readonly classes: number;
  readonly batch: number;
  /** How long training steps are measured, milliseconds. */
  readonly milliseconds: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

/**
 * Measures whole training steps of a method's last stage on random images and weights, next to the best
 * matrix product of the same backend, measured before and after in the same process.
 */
export async function measureThroughput(spec: ThroughputSpec): Promise<ThroughputCell> {
  const { backend, method, model, batch, now = () => performance.now() } = spec;
  const task: Task = classificationTask(spec.classes);
  const stage = stagesOf(method).at(-1)!;
  const parameters = modelParameters(model, method, task);
  const { program, layout, noise } = buildTrainProgram({
    model,
    method,
    task,
    batchSize: batch,
    stage: stage.name,
    trains: (parameter) => trainsInStage(parameter, method, stage),
    optimizer: defaultAdamW,
  });
  const start = new Map(parameters.map((parameter) => [parameter.name, startValue(parameter)]));
  const session = await openSession({
    backend,
    program,
    weights: start,
    parameters: joinFlat((name) => start.get(name)!.data, layout),
    optimizer: defaultAdamW,
  });
  const feeds = randomFeeds(model, task, batch);
  const before = await peakGflops(backend, { now });
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
    const peak = Math.max(before, await peakGflops(backend, { now }));
    const gflopsPerSecond = programCost(program).flops / seconds / 1e9;
    return {
      backend: backend.name,
      device: backend.device,
      method: spec.label,
      model: model.name,
      batch,
      imagesPerSecond: batch / seconds,
      gflopsPerSecond,
      peakGflopsPerSecond: peak,
      shareOfPeak: gflopsPerSecond / peak,
      peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
      ...(session.memory && { deviceMemory: session.memory }),
    };
  } finally {
    await session.close();
  }
}

/** Any value of a parameter's shape that keeps activations in a usual range. */
export function startValue(parameter: ReturnType<typeof modelParameters>[number]): HostTensor {
  const { shape, owner, name } = parameter;
  if (owner !== 'backbone') return { dtype: 'f32', shape, data: initialValue(parameter, 0) };
  if (name.includes('norm') && name.endsWith('.weight'))
    return { dtype: 'f32', shape, data: new Float32Array(sizeOf(shape)).fill(1) };
  return { dtype: 'f32', shape, data: initialValue({ name, shape, init: { kind: 'normal', std: 0.02 } }, 0) };
}

function randomFeeds(model: Architecture, task: Task, batch: number): HostTensors {
  const images = randomStream(0, 'throughput/images');
  const shape = [batch, 3, ...model.imageSize];
  const targets = task
    .targets(model, batch)
    .map(({ kind, shape: of }) => [kind, { dtype: 'i32' as const, shape: of, data: new Int32Array(batch) }]);
  return {
    [imagesFeed]: {
      dtype: 'f32',
      shape,
      data: Float32Array.from({ length: sizeOf(shape) }, () => 2 * images.uniform() - 1),
    },
    ...Object.fromEntries(targets),
    ...exampleWeights(batch, batch),
  };
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
