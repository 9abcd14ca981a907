import type { Backend, ConfiguredMethod, HostTensor, HostTensors, Task, VitConfig } from '@kora-bench/core';
import {
  buildTrainProgram,
  classificationTask,
  defaultAdamW,
  exampleWeightFeed,
  imagesFeed,
  initialValue,
  joinFlat,
  modelParameters,
  optimizerFeeds,
  optimizerStates,
  parametersState,
  programCost,
  randomStream,
  sizeOf,
  stagesOf,
} from '@kora-bench/core';
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
  const { definition, options } = method;
  const parameters = modelParameters(model, method, task);
  const { program, layout } = buildTrainProgram({
    model,
    method,
    task,
    batchSize: batch,
    stage: stage.name,
    trains: ({ owner, name }) =>
      owner === 'head' ||
      (owner === 'method' && stage.trains(name)) ||
      (owner === 'backbone' && (definition.trainsBackbone?.(name, options) ?? false)),
    optimizer: defaultAdamW,
  });
  const start = new Map(parameters.map((parameter) => [parameter.name, startValue(parameter)]));
  const executable = await backend.compile(program, start);
  const flat = joinFlat((name) => start.get(name)!.data, layout);
  const zeros = (): HostTensor => ({ ...flat, data: new Float32Array(layout.length) });
  const state = await backend.createState({
    [parametersState]: flat,
    ...Object.fromEntries(optimizerStates(defaultAdamW).map((name) => [name, zeros()])),
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
      await executable.run({ feeds: { ...feeds, ...optimizerFeeds(defaultAdamW, step++, 1e-4) }, state });
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
      ...(executable.memory && { deviceMemory: executable.memory }),
    };
  } finally {
    await state.dispose();
    await executable.dispose();
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
  const target = task.target(model, batch);
  return {
    [imagesFeed]: {
      dtype: 'f32',
      shape,
      data: Float32Array.from({ length: sizeOf(shape) }, () => 2 * images.uniform() - 1),
    },
    [target.name]: { dtype: 'i32', shape: target.shape, data: new Int32Array(batch) },
    [exampleWeightFeed]: { dtype: 'f32', shape: [batch], data: new Float32Array(batch).fill(1 / batch) },
  };
}
