import type { Backend } from '@kora-bench/core/backend';
import type { HostTensor, HostTensors, Program, Weights } from '@kora-bench/core/graph';
import { hostTensor, sizeOf } from '@kora-bench/core/graph';
import type { Architecture } from '@kora-bench/core/nn';
import { tokenCount } from '@kora-bench/core/nn';
import type { ConfiguredMethod, NoiseSpec } from '@kora-bench/core/peft';
import { initialValue, stagesOf } from '@kora-bench/core/peft';
import { randomStream } from '@kora-bench/core/random';
import type { ParameterLayout, Task } from '@kora-bench/core/training';
import {
  buildTrainProgram,
  defaultAdamW,
  imagesFeed,
  joinFlat,
  modelParameters,
  trainsInStage,
} from '@kora-bench/core/training';
import { classificationTask } from '@kora-bench/tasks';
import type { Session, SiteInputs } from '@kora-bench/trainer';
import { exampleWeights, openSession, startWeights } from '@kora-bench/trainer';

/** What a speed is measured of. */
export interface ThroughputSpec {
  readonly backend: Backend;
  readonly method: ConfiguredMethod;
  readonly label: string;
  readonly model: Architecture;
  readonly classes: number;
  readonly batch: number;
  /** How long training steps are measured, milliseconds. */
  readonly milliseconds: number;
  /** Whether the engine's best matrix product is measured beside; true by default. */
  readonly peak?: boolean;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

/** A training step of a method's last stage on random images and weights, ready to run with AdamW. */
export interface TrainingStep {
  readonly program: Program;
  readonly layout: ParameterLayout;
  /** Start values of the backbone and of all that trains, by name. */
  readonly start: Weights;
  /** What the method asks for in every step. */
  readonly noise: readonly NoiseSpec[];
  /** All feeds but the optimiser's and the noise. */
  readonly feeds: HostTensors;
  readonly session: Session;
}

/** Traces and opens the step that `spec` says. */
export async function openTrainingStep(spec: ThroughputSpec): Promise<TrainingStep> {
  const { backend, method, model, batch } = spec;
  const task: Task = classificationTask(spec.classes);
  const stage = stagesOf(method).at(-1)!;
  const { program, layout, noise } = buildTrainProgram({
    model,
    method,
    task,
    batchSize: batch,
    stage: stage.name,
    trains: (parameter) => trainsInStage(parameter, method, stage),
    optimizer: defaultAdamW,
  });
  const start = await startValues(spec, task);
  const session = await openSession({
    backend,
    program,
    weights: start,
    parameters: joinFlat((name) => start.get(name)!.data, layout),
    optimizer: defaultAdamW,
  });
  return { program, layout, start, noise, feeds: randomFeeds(model, task, batch), session };
}

/** The backbone at random; the method and the head as a training with the seed 0 starts them. */
async function startValues({ model, method }: ThroughputSpec, task: Task): Promise<Weights> {
  const backbone = modelParameters(model, method, task).filter(({ owner }) => owner === 'backbone');
  const tensors = new Map(backbone.map((parameter) => [parameter.name, startValue(parameter)]));
  const context = { model, method, seed: 0 };
  const { values } = await startWeights(context, { tensors, fingerprint: '' }, task, drawnInputs(model));
  return values;
}

/** Stands for what layers read of training images. */
function drawnInputs(model: Architecture): SiteInputs {
  return async (names, batches) => {
    const sites = model.sites.filter(({ name }) => names.includes(name));
    return new Map(
      sites.map(({ name, inFeatures }) => {
        const random = randomStream(0, `throughput/${name}`);
        const shape = [1, tokenCount(model.tokens), inFeatures];
        const drawn = () => Float32Array.from({ length: sizeOf(shape) }, () => random.normal());
        return [name, Array.from({ length: batches }, () => hostTensor(shape, drawn()))];
      }),
    );
  };
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
