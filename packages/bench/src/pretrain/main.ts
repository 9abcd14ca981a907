import onnxruntime from '@kora-bench/backend-ort';
import { KoraError, trainingSchema } from '@kora-bench/core';
import { createProceduralDataset } from '@kora-bench/datasets';
import full from '@kora-bench/method-full';
import { vitMicroConfig, vitMicroFolder, vitMicroPreprocessing } from '@kora-bench/models';
import type { ProgressEvent } from '@kora-bench/trainer';
import { Command, InvalidArgumentError } from 'commander';
import { throttleSteps } from '../progress/throttle.js';
import { pretrain } from './pretrain.js';

/** The recipe of the committed weights; `pnpm pretrain` without options repeats it. */
const recipe = { epochs: 1, perClass: 3000, batchSize: 32, learningRate: 0.002, warmup: 0.05, seed: 0 };

function positiveInt(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError(`expected an integer of at least 1, got "${text}".`);
  return value;
}

function show(event: ProgressEvent): void {
  if (event.kind !== 'step') return;
  const loss = event.loss === null ? '' : `  loss ${event.loss.toFixed(3)}`;
  console.error(
    `${event.phase}  ${event.step}/${event.totalSteps}${loss}  ${event.imagesPerSecond.toFixed(0)} images/s`,
  );
}

/** Runs the command line of `pnpm pretrain`. */
export async function main(argv: readonly string[]): Promise<void> {
  const command = new Command('pretrain')
    .description('Trains the embedded backbone from scratch on procedural images and writes its weights.')
    .option('--epochs <n>', 'passes over the training images', positiveInt, recipe.epochs)
    .option('--per-class <n>', 'training images per class', positiveInt, recipe.perClass)
    .option('--seed <n>', 'seed of weights and order', Number, recipe.seed)
    .option('--out <folder>', 'where model.safetensors and config.json go', vitMicroFolder);
  command.parse([...argv], { from: 'user' });
  const options = command.opts<{ epochs: number; perClass: number; seed: number; out: string }>();
  const backend = await onnxruntime.create('cpu', onnxruntime.options.parse({}));
  try {
    const result = await pretrain(
      {
        backend,
        method: full,
        model: vitMicroConfig,
        preprocessing: vitMicroPreprocessing,
        data: createProceduralDataset('procedural-pretrain', { trainPerClass: options.perClass }),
        training: trainingSchema.parse({
          epochs: options.epochs,
          batchSize: recipe.batchSize,
          learningRate: recipe.learningRate,
          schedule: { kind: 'cosine', warmup: recipe.warmup },
          optimizer: { kind: 'adamw', weightDecay: 0.05 },
          labelSmoothing: 0,
          augmentation: 'none',
        }),
        seed: options.seed,
        outDir: options.out,
      },
      throttleSteps(show, 5000),
    );
    console.log(`test top-1 ${(100 * result.top1).toFixed(2)} %, written to ${options.out}`);
  } catch (error) {
    if (!(error instanceof KoraError)) throw error;
    console.error(error.explain());
    process.exitCode = 1;
  } finally {
    await backend.dispose();
  }
}
