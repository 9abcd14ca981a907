import type { ImageSplit, Preprocessing } from '@kora-bench/core/data';
import { requireTarget } from '@kora-bench/core/data';
import type { ConfiguredMethod, MethodStage } from '@kora-bench/core/peft';
import { stagesOf } from '@kora-bench/core/peft';
import type { OwnedParameter, Task, TrainingConfig } from '@kora-bench/core/training';
import { modelParameters, trainsInStage } from '@kora-bench/core/training';
import { relabelled, subset } from '@kora-bench/datasets/browser';
import type { TrainObserver } from './observers.js';
import type { TrainerContext, TrainResult } from './train.js';
import { train } from './train.js';
import type { WeightStore } from './weights.js';

/** A method's training on one split. */
export interface TrainMethodSpec {
  /** Names progress, shuffles and errors. */
  readonly name: string;
  /** Makes the task for a split: stages that train on a part of the classes have a head of their own. */
  taskFor(split: ImageSplit): Task;
  readonly split: ImageSplit;
  readonly preprocessing: Preprocessing;
  readonly training: TrainingConfig;
  readonly unshuffled?: boolean;
  /**
   * - `all`: every stage of the method, and the head.
   * - `last-stage`: the finished method is tuned further, as in its last stage, and the head.
   * - `head`: the head alone; backbone and method stay as they are.
   */
  readonly trains: 'all' | 'last-stage' | 'head';
}

/** The stages that a spec trains, with the epochs of each. */
export function plannedStages(
  method: ConfiguredMethod,
  { trains, training }: Pick<TrainMethodSpec, 'trains' | 'training'>,
): readonly { readonly stage: MethodStage; readonly epochs: number }[] {
  const stages = stagesOf(method);
  if (trains !== 'all') return [{ stage: stages.at(-1)!, epochs: training.epochs }];
  return stages.map((stage) => ({ stage, epochs: Math.max(1, Math.round(stage.share * training.epochs)) }));
}

/**
 * Trains a method and the head from the values in `weights` and leaves the trained ones there.
 * @param observe makes the observers of one stage
 * @returns one result per stage
 */
export async function trainMethod(
  context: TrainerContext,
  weights: WeightStore,
  spec: TrainMethodSpec,
  observe: (name: string) => readonly TrainObserver[] = () => [],
): Promise<TrainResult[]> {
  const { method, model } = context;
  const { split, preprocessing, unshuffled = false } = spec;
  const planned = plannedStages(method, spec);
  const results: TrainResult[] = [];
  for (const { stage, epochs } of planned) {
    const part = spec.trains === 'all' && stage.classPart ? classPart(split, stage.classPart) : undefined;
    const examples = part ?? split;
    const task = spec.taskFor(examples);
    const used = part === undefined ? weights : weights.fork();
    if (part !== undefined) used.initialize(task.parameters(model), context.seed);
    const name = planned.length === 1 ? spec.name : `${spec.name}/${stage.name}`;
    const trains = (parameter: OwnedParameter) =>
      spec.trains === 'head' ? parameter.owner === 'head' : trainsInStage(parameter, method, stage);
    const result = await train(
      context,
      used,
      {
        name,
        task,
        stage: stage.name,
        trains,
        training: { ...spec.training, epochs },
        observers: observe(name),
      },
      { split: examples, preprocessing, unshuffled },
    );
    if (part !== undefined) {
      for (const { name: parameter, owner } of modelParameters(model, method, task))
        if (owner !== 'head') weights.set(parameter, used.get(parameter));
    }
    results.push({ ...result, name: spec.trains === 'head' ? 'head' : stage.name });
  }
  return results;
}

/**
 * The examples of one of several equal parts of the classes in label order, labelled from 0.
 * @throws InputError when the split has no labels
 */
export function classPart(
  split: ImageSplit,
  { index, of }: { readonly index: number; readonly of: number },
): ImageSplit {
  const { classNames, labels } = requireTarget(split.targets, 'label', `the data set ${split.dataset}`);
  const from = Math.floor((index * classNames.length) / of);
  const to = Math.floor(((index + 1) * classNames.length) / of);
  const chosen = [...labels.keys()].filter((i) => from <= labels[i]! && labels[i]! < to);
  return relabelled(
    subset(split, chosen),
    Int32Array.from(chosen, (i) => labels[i]! - from),
    classNames.slice(from, to),
  );
}
