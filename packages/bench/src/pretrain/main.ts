import onnxruntime from '@kora-bench/backend-ort';
import { trainingSchema } from '@kora-bench/core/training';
import { createProceduralDataset } from '@kora-bench/datasets';
import full from '@kora-bench/method-full';
import { vitMicroConfig, vitMicroFolder, vitMicroPreprocessing } from '@kora-bench/models';
import type { ProgressEvent } from '@kora-bench/trainer';
import { Command } from 'commander';
import { numberOrText, positiveInteger } from '../cli/arguments.js';
import { exitCode, explainError, printMessage, printResult } from '../cli/commands/output.js';
import { throttleSteps } from '../progress/pace.js';
import { pretrain } from './pretrain.js';

/** The recipe of the committed weights; `pnpm pretrain` without options repeats it. */
const recipe = {
  epochs: 1,
  perClass: 3000,
  testPerClass: 8,
  batchSize: 32,
  learningRate: 0.002,
  warmup: 0.05,
  seed: 0,
};

interface Options {
  readonly epochs: number;
  readonly perClass: number;
  readonly testPerClass: number;
  readonly seed: number;
  readonly out: string;
}

function show(event: ProgressEvent): void {
  if (event.kind !== 'step') return;
  const loss = event.loss === null ? '' : `  loss ${event.loss.toFixed(3)}`;
  printMessage(
    `${event.phase}  ${event.step}/${event.totalSteps}${loss}  ${event.imagesPerSecond.toFixed(0)} images/s`,
  );
}

/** Runs the command line of `pnpm pretrain`. @returns the exit code */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    return await run(options(argv));
  } catch (error) {
    return explainError(error);
  }
}

function options(argv: readonly string[]): Options {
  const command = new Command('pretrain')
    .description('Trains the embedded backbone from scratch on procedural images and writes its weights.')
    .option('--epochs <n>', 'passes over the training images', positiveInteger, recipe.epochs)
    .option('--per-class <n>', 'training images per class', positiveInteger, recipe.perClass)
    .option('--test-per-class <n>', 'test images per class', positiveInteger, recipe.testPerClass)
    .option('--seed <n>', 'seed of weights and order', numberOrText, recipe.seed)
    .option('--out <folder>', 'where model.safetensors and config.json go', vitMicroFolder);
  return command
    .exitOverride()
    .parse([...argv], { from: 'user' })
    .opts<Options>();
}

async function run({ epochs, perClass, testPerClass, seed, out }: Options): Promise<number> {
  const backend = await onnxruntime.create('cpu', onnxruntime.options.parse({}));
  try {
    const result = await pretrain(
      {
        backend,
        method: full,
        config: vitMicroConfig,
        preprocessing: vitMicroPreprocessing,
        data: createProceduralDataset('procedural-pretrain', { trainPerClass: perClass, testPerClass }),
        training: trainingSchema.parse({
          epochs,
          batchSize: recipe.batchSize,
          learningRate: recipe.learningRate,
          schedule: { kind: 'cosine', warmup: recipe.warmup },
          optimizer: { kind: 'adamw', weightDecay: 0.05 },
          labelSmoothing: 0,
          augmentation: 'none',
        }),
        seed,
        outDir: out,
      },
      throttleSteps(show, 5000),
    );
    printResult(`test top-1 ${(100 * result.top1).toFixed(2)} %, written to ${out}`);
    return exitCode.done;
  } finally {
    await backend.dispose();
  }
}
