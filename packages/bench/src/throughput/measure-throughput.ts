import type { Backend, ConfiguredMethod, HostTensor, HostTensors, Task, VitConfig } from '@kora-bench/core';
import {
  buildTrainProgram,
  defaultAdamW,
  imagesFeed,
  initialValue,
  joinFlat,
  modelParameters,
  optimizerFeeds,
  programCost,
  randomStream,
  sizeOf,
  stagesOf,
  trainsInStage,
} from '@kora-bench/core';
import { classificationTask } from '@kora-bench/tasks';
import { exampleWeights, openSession } from '@kora-bench/trainer';
import { Bench } from 'tinybench';
import { medianLatency, peakGflops } from './peak.js';
import type { ThroughputCell } from './throughput-cell.js';

export interface ThroughputSpec {
  readonly backend: Backend;
  readonly method: ConfiguredMethod;
  readonly label: string;
  readonly model: VitConfig;
  readonly classes: number;
  readonly batch: number;
  /** How long training steps are measured, milliseconds. */
  readonly milliseconds: number;
}

/**
 * Measures whole training steps of a method's last stage on random images and weights, next to the best
 * matrix product of the same backend, measured before and after in the same process.
 */
export async function measureThroughput(spec: ThroughputSpec): Promise<ThroughputCell> {
  const { backend, method, model, batch } = spec;
  const task: Task = classificationTask(spec.classes);
  const stage = stagesOf(method).at(-1)!;
  const parameters = modelParameters(model, method, task);
  const { program, layout } = buildTrainProgram({
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
  const before = await peakGflops(backend);
  let step = 0;
  try {
    const bench = new Bench({
      time: spec.milliseconds,
      iterations: 5,
      warmupTime: spec.milliseconds / 5,
      warmupIterations: 2,
    });
    bench.add('training step', async () => {
      await session.run({ ...feeds, ...optimizerFeeds(defaultAdamW, step++, 1e-4) }, []);
    });
    await bench.run();
    const seconds = medianLatency(bench) / 1000;
    const peak = Math.max(before, await peakGflops(backend));
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

function startValue(parameter: ReturnType<typeof modelParameters>[number]): HostTensor {
  const { shape, owner, name } = parameter;
  if (owner !== 'backbone') return { dtype: 'f32', shape, data: initialValue(parameter, 0) };
  if (name.includes('norm') && name.endsWith('.weight'))
    return { dtype: 'f32', shape, data: new Float32Array(sizeOf(shape)).fill(1) };
  return { dtype: 'f32', shape, data: initialValue({ name, shape, init: { kind: 'normal', std: 0.02 } }, 0) };
}

function randomFeeds(model: VitConfig, task: Task, batch: number): HostTensors {
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
