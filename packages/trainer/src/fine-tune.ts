import type { Backend } from '@kora-bench/core/backend';
import type { ImageDataset, ImageSplit, Preprocessing } from '@kora-bench/core/data';
import type { Weights } from '@kora-bench/core/graph';
import type { Checkpoint } from '@kora-bench/core/nn';
import type { ConfiguredMethod, MethodDefinition } from '@kora-bench/core/peft';
import type { TaskDefinition, TrainingConfig } from '@kora-bench/core/training';
import { trainingSchema } from '@kora-bench/core/training';
import { withValidation } from '@kora-bench/datasets/browser';
import type { Evaluation } from './evaluate.js';
import { evaluate } from './evaluate.js';
import type { FeatureStore } from './kept-features.js';
import type { TrainObserver } from './observers.js';
import type { ReportProgress } from './progress.js';
import { siteInputsOf } from './site-inputs.js';
import type { TrainerContext, TrainResult } from './train.js';
import { trainMethod } from './train-method.js';
import { startWeights, trainedWeights, WeightStore } from './weights.js';

export interface FineTuneSpec {
  readonly backend: Backend;
  readonly checkpoint: Checkpoint;
  readonly method: MethodDefinition;
  /** Of the method; its defaults by default. */
  readonly options?: Readonly<Record<string, unknown>>;
  readonly task: TaskDefinition;
  readonly taskOptions?: Readonly<Record<string, unknown>>;
  readonly data: ImageDataset;
  /** The checkpoint's own by default. */
  readonly preprocessing?: Preprocessing;
  /** What is not given has the suite's defaults. */
  readonly training: Pick<TrainingConfig, 'epochs' | 'batchSize' | 'learningRate'> & Partial<TrainingConfig>;
  readonly seed?: number;
  readonly features?: FeatureStore;
  readonly report?: ReportProgress;
  readonly observers?: readonly TrainObserver[];
}

export interface FineTuned {
  /** One per stage of the method. */
  readonly training: readonly TrainResult[];
  /** Every weight of the finished model by name, to be saved or looked at. */
  readonly weights: Weights;
  /** What training made: the head, the method's own weights, and those of the backbone that it trained. */
  readonly trained: Weights;
  /** Scores a split, e.g. `data.test`. */
  evaluate(split: ImageSplit): Promise<Evaluation>;
}

/**
 * Fine-tunes a checkpoint on a data set with one method: the whole of a user's script.
 * @throws InputError when the data set lacks the targets of the task, or an option is not valid
 */
export async function fineTune(spec: FineTuneSpec): Promise<FineTuned> {
  const { backend, checkpoint, seed = 0 } = spec;
  const method: ConfiguredMethod = {
    definition: spec.method,
    options: spec.method.options.parse(spec.options ?? {}),
  };
  const preprocessing = spec.preprocessing ?? checkpoint.preprocessing;
  const training = trainingSchema.parse(spec.training);
  const taskOptions = spec.task.options.parse(spec.taskOptions ?? {});
  const taskFor = ({ targets }: ImageSplit) =>
    spec.task.create({ targets, labelSmoothing: training.labelSmoothing }, taskOptions);
  const { train: split } = withValidation(spec.data);
  const task = taskFor(split);
  const context: TrainerContext = {
    backend,
    model: checkpoint.model,
    method,
    seed,
    ...(spec.features && { features: spec.features }),
    ...(spec.report && { report: spec.report }),
  };
  const show = { split, preprocessing, batchSize: training.batchSize };
  const untouched = new WeightStore(checkpoint);
  const weights = await startWeights(context, checkpoint, task, siteInputsOf(context, untouched, show));
  const results = await trainMethod(
    context,
    weights,
    { name: 'fine-tune', taskFor, split, preprocessing, training, trains: 'all' },
    () => spec.observers ?? [],
  );
  return {
    training: results,
    weights: weights.values,
    trained: trainedWeights(context, weights, task),
    async evaluate(chosen) {
      const how = { name: `evaluate ${chosen.split}`, task, preprocessing };
      const found = await evaluate(context, weights, { ...how, batchSize: training.batchSize }, [chosen]);
      return found[0]!;
    },
  };
}
