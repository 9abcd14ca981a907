import type { ImageSplit, Preprocessing } from '@kora-bench/core/data';
import { InputError } from '@kora-bench/core/errors';
import type { HostTensors, Program } from '@kora-bench/core/graph';
import { randomStream } from '@kora-bench/core/random';
import type { TrainingConfig } from '@kora-bench/core/training';
import { imagesFeed } from '@kora-bench/core/training';
import { imageTargets } from '@kora-bench/datasets/browser';
import type { FixedBatch } from './batches.js';
import { fixedBatches, inOrder } from './batches.js';
import type { KeptFeatures } from './kept-features.js';
import type { StepBatch } from './observers.js';

/** The examples of a split, shuffled anew in every epoch. */
export interface SplitData {
  readonly split: ImageSplit;
  readonly preprocessing: Preprocessing;
  /** Take examples in the split's own order in every epoch. */
  readonly unshuffled?: boolean;
}

/** Batches of the caller's own. Observers get them as they are, with all that they carry besides. */
export interface OwnBatches<B extends StepBatch = StepBatch> {
  /** So many batches are taken in every epoch; `batches` may have more. */
  readonly stepsPerEpoch: number;
  /** @param epoch from 0 */
  batches(epoch: number): AsyncIterable<B> | Iterable<B>;
}

/** Where examples come from. */
export type TrainData<B extends StepBatch = StepBatch> = SplitData | OwnBatches<B>;

export interface SplitBatchesSpec extends SplitData {
  /** Of shuffles and augmentation. */
  readonly seed: number;
  /** Names the shuffles. */
  readonly phase: string;
  readonly training: Pick<TrainingConfig, 'batchSize' | 'augmentation'>;
  /** Fed in place of images. */
  readonly features: KeptFeatures | undefined;
  /** What the batches are fed to. */
  readonly program: Program;
}

/** The batches of a split: images or, where they are kept, the features made of them. */
export function splitBatches({
  split,
  preprocessing,
  unshuffled,
  seed,
  phase,
  training: { batchSize, augmentation },
  features,
  program,
}: SplitBatchesSpec): OwnBatches {
  return {
    stepsPerEpoch: Math.ceil(split.length / batchSize),
    async *batches(epoch) {
      const order = unshuffled
        ? inOrder(split.length)
        : randomStream(seed, `shuffle/${phase}/${epoch}`).permutation(split.length);
      if (features !== undefined && !readsPixelTargets(program, split)) {
        for (let at = 0; at < order.length; at += batchSize) {
          const indices = order.subarray(at, at + batchSize);
          const feeds = { ...features.gather(indices), ...imageTargets(split, indices, batchSize) };
          yield { feeds, count: indices.length };
        }
        return;
      }
      const reader = await split.open(preprocessing);
      try {
        const options = { preprocessing, augmentation, seed, epoch };
        for await (const batch of fixedBatches({ split, reader, order, batchSize, ...options }))
          yield { feeds: { ...inputsOf(batch, features), ...batch.targets }, count: batch.count };
      } finally {
        await reader.close();
      }
    },
  };
}

/** The feeds that stand for a batch's images. */
export function inputsOf(batch: FixedBatch, features: KeptFeatures | undefined): HostTensors {
  return features?.gather(batch.indices) ?? { [imagesFeed]: batch.images };
}

/** Whether a program is fed targets that come with the pixels. */
function readsPixelTargets(program: Program, { targets }: ImageSplit): boolean {
  const { label: _, value: __, ...perPixel } = targets;
  return program.nodes.some(({ op }) => op.kind === 'feed' && Object.hasOwn(perPixel, op.name));
}

/**
 * As many batches of an epoch as it has steps.
 * @throws InputError when there are fewer
 */
export async function* batchesOfEpoch(
  { stepsPerEpoch, batches }: OwnBatches,
  epoch: number,
  phase: string,
): AsyncGenerator<StepBatch> {
  let taken = 0;
  if (stepsPerEpoch > 0) {
    for await (const batch of batches(epoch)) {
      yield batch;
      if (++taken === stepsPerEpoch) return;
    }
  }
  // Schedules are stretched over all steps, so fewer would end at another learning rate than asked for.
  throw new InputError('An epoch has too few batches.', {
    where: `${phase}, epoch ${epoch}`,
    expected: `${Math.max(1, stepsPerEpoch)} batches, as stepsPerEpoch says`,
    received: String(taken),
    fix: 'Set stepsPerEpoch to the number of batches.',
  });
}
