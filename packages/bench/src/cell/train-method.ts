import type {
  ConfiguredMethod,
  ImageSplit,
  MethodStage,
  OwnedParameter,
  Preprocessing,
  Task,
} from '@kora-bench/core';
import { classificationTask, modelParameters, stagesOf } from '@kora-bench/core';
import { relabelled, subset } from '@kora-bench/datasets';
import type { TrainingConfig } from '../config/run-config.js';
import type { TrainingResult } from '../records/record-schema.js';
import type { CellContext } from './cell-context.js';
import type { ClassPart } from './class-part.js';
import { classPart } from './class-part.js';
import type { PhaseResult } from './train-phase.js';
import { trainPhase } from './train-phase.js';
import type { WeightStore } from './weight-store.js';

/** Trains all stages of the cell's method, and the head, on a split. */
export async function trainMethod(
  context: CellContext,
  weights: WeightStore,
  name: string,
  task: Task,
  split: ImageSplit,
  preprocessing: Preprocessing,
  training: TrainingConfig,
): Promise<TrainingResult> {
  const stages = stagesOf(context.method);
  const done: [MethodStage, number, PhaseResult][] = [];
  const model = context.checkpoint.config;
  for (const stage of stages) {
    const epochs = Math.max(1, Math.round(stage.share * training.epochs));
    const part = stage.classPart === undefined ? undefined : partOf(split, stage.classPart);
    const stageTask =
      part === undefined ? task : classificationTask(part.classNames.length, training.labelSmoothing);
    const forked = part === undefined ? weights : weights.fork();
    if (part !== undefined) forked.initialize(stageTask.parameters(model), context.seed);
    const result = await trainPhase(context, forked, {
      name: stages.length === 1 ? name : `${name}/${stage.name}`,
      task: stageTask,
      split: part ?? split,
      preprocessing,
      stage: stage.name,
      trains: (parameter) => trainsInStage(parameter, stage, context.method),
      training: { ...training, epochs },
    });
    if (part !== undefined) {
      for (const { name: parameter, owner } of modelParameters(model, context.method, stageTask)) {
        if (owner !== 'head') weights.set(parameter, forked.get(parameter));
      }
    }
    done.push([stage, epochs, result]);
  }
  return summarize(done, split.length);
}

/** The stage whose forward pass is the finished method's. */
export function finalStage(context: CellContext): string {
  return stagesOf(context.method).at(-1)!.name;
}

/** What trains when the finished method is tuned further on another task: its last stage, and the head. */
export function finalStageTrains({ method }: CellContext): (parameter: OwnedParameter) => boolean {
  const stage = stagesOf(method).at(-1)!;
  return (parameter) => trainsInStage(parameter, stage, method);
}

/** Only the head trains; backbone and method stay as they are. */
export function trainsHeadOnly({ owner }: OwnedParameter): boolean {
  return owner === 'head';
}

function trainsInStage(
  parameter: OwnedParameter,
  stage: MethodStage,
  { definition, options }: ConfiguredMethod,
): boolean {
  switch (parameter.owner) {
    case 'backbone':
      return definition.trainsBackbone?.(parameter.name, options) ?? false;
    case 'method':
      return stage.trains(parameter.name);
    case 'head':
      return true;
  }
}

/** The examples of a part of the classes, labelled from 0. */
function partOf(split: ImageSplit, part: ClassPart): ImageSplit {
  const { from, to, chosen } = classPart(split, part);
  const examples = subset(split, chosen);
  return relabelled(
    examples,
    examples.labels.map((label) => label - from),
    split.classNames.slice(from, to),
  );
}

/** One result of a single phase, or of several stages together. */
export function summarize(
  stages: readonly [{ readonly name: string }, number, PhaseResult][],
  examples: number,
): TrainingResult {
  const sum = (value: (result: PhaseResult) => number) =>
    stages.reduce((total, [, , result]) => total + value(result), 0);
  const seconds = sum((result) => result.seconds);
  const last = stages.at(-1)![2];
  return {
    stages: stages.map(([{ name }, epochs, result]) => ({
      name,
      trainableParameters: result.trainableParameters,
      epochs,
      steps: result.steps,
      losses: result.losses,
    })),
    examples,
    seconds,
    imagesPerSecond: sum((result) => result.images) / seconds,
    flopsPerStep: last.flopsPerStep,
    cache: last.cache,
    ...(last.deviceMemory && { deviceMemory: last.deviceMemory }),
  };
}
