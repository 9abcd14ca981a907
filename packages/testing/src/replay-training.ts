import { referenceBackend } from '@kora-bench/backend-reference';
import type { HostTensor, HostTensors, Weights } from '@kora-bench/core/graph';
import { hostTensor } from '@kora-bench/core/graph';
import type { Architecture, VitConfig } from '@kora-bench/core/nn';
import { vitArchitecture } from '@kora-bench/core/nn';
import type { MethodDefinition } from '@kora-bench/core/peft';
import { stagesOf } from '@kora-bench/core/peft';
import { readSafetensors } from '@kora-bench/core/safetensors';
import type { OptimizerConfig } from '@kora-bench/core/training';
import {
  buildTrainProgram,
  exampleWeightFeed,
  imagesFeed,
  joinFlat,
  optimizerFeeds,
  parametersState,
  splitFlat,
  trainsInStage,
} from '@kora-bench/core/training';
import { classificationTask } from '@kora-bench/tasks';
import { initialState } from '@kora-bench/trainer';
import { largestDifference } from './method-questions.js';
import { toyVitConfig } from './vit-configs.js';

/** The timm ViT that `python/peft_fixture.py` trains: 5 tokens of width 8 in 2 blocks. */
export const fixtureVitConfig: VitConfig = {
  ...toyVitConfig,
  imageSize: [8, 8],
  patchSize: 4,
  width: 8,
  mlpWidth: 16,
};

/** The architecture of {@link fixtureVitConfig}. */
export const fixtureVit: Architecture = vitArchitecture(fixtureVitConfig);

/** What a training elsewhere held, by name, and how far a training here is from it. */
export interface ReplayedTraining {
  /** The largest difference of a step's loss, the first from before any update. */
  readonly losses: number;
  /** The largest difference of each parameter's value after the last step. */
  readonly parameters: ReadonlyMap<string, number>;
  /** Every tensor of the fixture. */
  readonly fixture: ReadonlyMap<string, HostTensor>;
}

/**
 * Repeats a training that `python/peft_fixture.py` recorded: {@link fixtureVit} from the same weights, with the same
 * images and AdamW, on the float64 reference backend. A start that differs shows in the first loss, gradients and
 * updates in what the parameters end as.
 * @param given options of the method, as in a configuration
 * @param bytes the fixture's safetensors
 * @param constants makes the method's constants of what the fixture holds to start from
 */
export async function replayTraining(
  definition: MethodDefinition,
  given: object,
  bytes: Uint8Array,
  constants: (start: ReadonlyMap<string, HostTensor>) => Weights = () => new Map(),
): Promise<ReplayedTraining> {
  const { tensors: fixture } = readSafetensors(bytes);
  const part = (prefix: string) =>
    new Map(
      [...fixture].flatMap(([name, value]): [string, HostTensor][] =>
        name.startsWith(prefix) ? [[name.slice(prefix.length), value]] : [],
      ),
    );
  const start = part('start.');
  const values = new Map([...start, ...constants(start)]);
  const labels = fixture.get('labels')!;
  const batchSize = labels.shape[0]!;
  const learningRate = fixture.get('learning_rate')!.data[0]!;
  const method = { definition, options: definition.options.parse(given) };
  const [stage] = stagesOf(method);
  const { program, layout } = buildTrainProgram({
    model: fixtureVit,
    method,
    task: classificationTask(values.get('head.bias')!.shape[0]!),
    batchSize,
    stage: stage!.name,
    trains: (parameter) => trainsInStage(parameter, method, stage!),
    optimizer,
  });
  const feeds: HostTensors = {
    [imagesFeed]: fixture.get('images')!,
    label: { ...labels, dtype: 'i32', data: Int32Array.from(labels.data) },
    [exampleWeightFeed]: hostTensor([batchSize], new Float32Array(batchSize).fill(1 / batchSize)),
  };
  const backend = await referenceBackend.create('cpu', { lower: false });
  const executable = await backend.compile(program, values);
  const state = await backend.createState(
    initialState(
      joinFlat((name) => values.get(name)!.data, layout),
      optimizer,
    ),
  );
  const expected = [...fixture.get('losses')!.data];
  const losses: number[] = [];
  for (const step of expected.keys()) {
    const stepFeeds = { ...feeds, ...optimizerFeeds(optimizer, step, learningRate) };
    const { loss } = await executable.run({ feeds: stepFeeds, state, fetch: ['loss'] });
    losses.push(loss!.data[0]!);
  }
  const trained = splitFlat(await state.read(parametersState), layout);
  const ends = part('end.');
  return {
    losses: largestDifference(losses, expected),
    parameters: new Map(
      [...trained].map(([name, { data }]) => [name, largestDifference([...data], [...ends.get(name)!.data])]),
    ),
    fixture,
  };
}

const optimizer: OptimizerConfig = { kind: 'adamw', beta1: 0.9, beta2: 0.999, eps: 1e-4, weightDecay: 0 };
