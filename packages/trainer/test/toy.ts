import { referenceBackend } from '@kora-bench/backend-reference';
import type { Backend } from '@kora-bench/core/backend';
import type { ImageDataset, ImageSplit, Preprocessing, Targets } from '@kora-bench/core/data';
import type { Checkpoint } from '@kora-bench/core/nn';
import { vitArchitecture } from '@kora-bench/core/nn';
import { add, linear } from '@kora-bench/core/ops';
import type { ConfiguredMethod, MethodStage } from '@kora-bench/core/peft';
import { defineMethod, initialValue } from '@kora-bench/core/peft';
import { randomStream } from '@kora-bench/core/random';
import type { OwnedParameter, TrainingConfig } from '@kora-bench/core/training';
import { type Task, trainingSchema } from '@kora-bench/core/training';
import { classificationTask } from '@kora-bench/tasks';
import type { TrainerContext } from '@kora-bench/trainer';
import { initialCheckpoint, WeightStore } from '@kora-bench/trainer';
import { z } from 'zod';

/** A ViT that the interpreter trains in milliseconds: 5 tokens of width 12 in 2 blocks. */
export const model = vitArchitecture({
  name: 'toy',
  imageSize: [8, 8],
  patchSize: 4,
  width: 12,
  depth: 2,
  heads: 2,
  mlpWidth: 24,
  numClasses: 0,
  layerNormEps: 1e-6,
});

export const preprocessing: Preprocessing = {
  imageSize: [8, 8],
  interpolation: 'bicubic',
  cropPct: 1,
  mean: [0.5, 0.5, 0.5],
  std: [0.5, 0.5, 0.5],
};

/** Weights large enough for pictures to make a difference. */
export function checkpoint(): Checkpoint {
  const initial = initialCheckpoint(model, preprocessing, 5);
  const tensors = new Map(
    [...initial.tensors].map(([name, { shape, data, dtype }]) => {
      if (name.includes('norm')) return [name, { shape, data, dtype }] as const;
      const init = { kind: 'normal', std: 0.3 } as const;
      return [name, { shape, dtype, data: initialValue({ name, shape, init }, 5) }] as const;
    }),
  );
  return { ...initial, tensors, fingerprint: 'toy' };
}

type Parts = Partial<Parameters<typeof defineMethod<unknown>>[0]>;

export function toyMethod(parts: Parts = {}): ConfiguredMethod {
  const definition = defineMethod<unknown>({
    name: 'toy',
    description: 'A method of the tests.',
    source: 'none',
    options: z.strictObject({}),
    parameters: () => [],
    ...parts,
  });
  return { definition, options: {} };
}

/** Trains the head alone: the whole backbone is a frozen prefix. */
export const headAlone = toyMethod();

/** Trains every weight: nothing can be kept. */
export const everything = toyMethod({ trainsBackbone: () => true });

/** `first` trains on the second half of the classes, then `second` on all of them; both act on the features. */
export const staged = toyMethod({
  parameters: () =>
    ['first', 'second'].map((name) => ({ name, shape: [12, 12], init: { kind: 'normal', std: 0.1 } })),
  attach: ({ parameter, stage }) => ({
    value({ kind, value }) {
      if (kind !== 'features') return value;
      const once = add(value, linear(value, parameter('first')));
      return stage === 'part' ? once : add(once, linear(once, parameter('second')));
    },
  }),
  stages: (): readonly MethodStage[] => [
    { name: 'part', trains: (name) => name === 'first', share: 0.25, classPart: { index: 1, of: 2 } },
    { name: 'whole', trains: (name) => name === 'second', share: 1 },
  ],
});

/** What happened to a split. */
export interface CountedSplit {
  readonly split: ImageSplit;
  readonly counts: { opened: number; closed: number; read: number };
}

export interface ToySplitOptions {
  readonly name?: 'train' | 'test';
  readonly classes?: number;
  /** Instead of labels: metres per pixel, the further the brighter. */
  readonly depth?: boolean;
}

/** Pictures of noise around the colour of their class; example i is of class i modulo `classes`. */
export function toySplit(
  length: number,
  { name = 'train', classes = 4, depth = false }: ToySplitOptions = {},
): CountedSplit {
  const counts = { opened: 0, closed: 0, read: 0 };
  const plane = model.imageSize[0] * model.imageSize[1];
  const labels = Int32Array.from({ length }, (_, i) => i % classes);
  const pixelsOf = (index: number) => {
    const random = randomStream(9, `${name}/${index}`);
    const colour = [0, 1, 2].map((channel) => ((labels[index]! + 1) >> channel) % 2);
    return Uint8Array.from(
      { length: 3 * plane },
      (_, i) => 64 + 128 * colour[i % 3]! + 60 * random.uniform(),
    );
  };
  const targets: Targets = depth
    ? { depth: {} }
    : { label: { classNames: Array.from({ length: classes }, (_, i) => `class ${i}`), labels } };
  const split: ImageSplit = {
    dataset: 'toy',
    split: name,
    length,
    targets,
    paths: Array.from({ length }, (_, i) => `${name}/${i}.png`),
    fingerprint: `${name} ${length} ${classes} ${depth}`,
    notes: [],
    contentHashes: async () => [],
    async open() {
      counts.opened++;
      return {
        async read(indices) {
          counts.read += indices.length;
          const pixels = new Uint8Array(indices.length * plane * 3);
          for (const [at, index] of indices.entries()) pixels.set(pixelsOf(index), at * plane * 3);
          if (!depth) return { pixels };
          const metres = Float32Array.from(
            { length: indices.length * plane },
            (_, i) => 1 + pixels[3 * i]! / 64,
          );
          return { pixels, depth: metres };
        },
        async close() {
          counts.closed++;
        },
      };
    },
  };
  return { split, counts };
}

export function toyDataset(train = 24, test = 12): ImageDataset {
  return { name: 'toy', train: toySplit(train).split, test: toySplit(test, { name: 'test' }).split };
}

export const task = classificationTask(4);

export function training(changes: Partial<TrainingConfig> = {}): TrainingConfig {
  const whole = { epochs: 2, batchSize: 4, learningRate: 0.01, ...changes };
  return trainingSchema.parse(whole);
}

export async function toyContext(changes: Partial<TrainerContext> = {}): Promise<TrainerContext> {
  const backend = await referenceBackend.create('cpu', { lower: false });
  return { backend, model, method: headAlone, seed: 0, ...changes };
}

/** The checkpoint's weights with a method and a head at their start. */
export function startWeights(method: ConfiguredMethod = headAlone, forTask: Task = task): WeightStore {
  const weights = new WeightStore(checkpoint());
  weights.initialize(method.definition.parameters(model, method.options), 0);
  weights.initialize(forTask.parameters(model), 0);
  return weights;
}

/** Names of the parameters whose values differ. */
export function changed(before: WeightStore, after: WeightStore): string[] {
  return [...before.values]
    .filter(([name, { data }]) => data.some((value, i) => value !== after.get(name).data[i]))
    .map(([name]) => name);
}

export const ofMethodAndHead = ({ owner }: OwnedParameter): boolean => owner !== 'backbone';

/** The largest difference of two lists of numbers. */
export function difference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  return Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)));
}

export interface WatchedBackend {
  readonly backend: Backend;
  /** What was made and is not disposed of. */
  readonly alive: { executables: number; states: number };
  readonly calls: { compile: number; createState: number; run: number };
}

/**
 * The reference backend, counted.
 * @param fails is asked before each call, numbered from 1 by kind; an error that it throws is the engine's
 */
export async function watchedBackend(
  fails: (call: keyof WatchedBackend['calls'], number: number) => void = () => undefined,
): Promise<WatchedBackend> {
  const inner = await referenceBackend.create('cpu', { lower: false });
  const alive = { executables: 0, states: 0 };
  const calls = { compile: 0, createState: 0, run: 0 };
  const count = (call: keyof typeof calls) => fails(call, ++calls[call]);
  const backend: Backend = {
    ...inner,
    async compile(program, weights) {
      count('compile');
      const executable = await inner.compile(program, weights);
      alive.executables++;
      return {
        async run(options) {
          count('run');
          return executable.run(options);
        },
        async dispose() {
          alive.executables--;
          await executable.dispose();
        },
      };
    },
    async createState(values) {
      count('createState');
      const state = await inner.createState(values);
      alive.states++;
      const dispose = state.dispose.bind(state);
      return Object.assign(state, {
        async dispose() {
          alive.states--;
          await dispose();
        },
      });
    },
  };
  return { backend, alive, calls };
}
