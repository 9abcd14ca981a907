import type { z } from 'zod';
import type { TargetKind, Targets } from '../data/targets.js';
import type { Shape } from '../graph/shape.js';
import type { Architecture, ForwardOutput } from '../nn/architecture.js';
import type { ParameterSpec } from '../peft/parameter.js';
import type { HostTensor } from '../tensor/host-tensor.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Metric } from './metric.js';

/** A feed of a program that takes the targets of one kind; it is named after the kind. */
export interface TargetFeed {
  readonly kind: TargetKind;
  readonly shape: Shape;
  readonly dtype: 'f32' | 'i32';
}

/** Predictions and targets of the same examples, `[n, …]`, without padding. */
export interface EvaluationBatch {
  readonly prediction: HostTensor;
  readonly targets: Readonly<Partial<Record<TargetKind, HostTensor>>>;
}

export interface EvaluationResult {
  readonly examples: number;
  /** By metric; null where the metric has no value here. */
  readonly values: Readonly<Record<string, number | null>>;
  /** 95 % intervals over the examples, for metrics that have one. */
  readonly intervals: Readonly<Record<string, readonly [low: number, high: number]>>;
  /**
   * By metric, what the best answer scores that is the same for every example, e.g. the share of the largest
   * class: a model that scores no more has learnt nothing. Absent for metrics where there is none.
   */
  readonly chance?: Readonly<Record<string, number>>;
  /** More about the evaluation, for records: counts, values per class. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** Scores predictions, streamed over batches. */
export interface Evaluator {
  /**
   * Takes a batch.
   * @returns one score per example, `[n]`, by name: what two runs are compared by, e.g. `correct` and `loss`;
   *   NaN where an example has none, e.g. depth without a measured pixel
   * @throws ShapeError | InputError | TrainingError for predictions or targets that make no sense
   */
  add(batch: EvaluationBatch): Readonly<Record<string, ArrayLike<number>>>;
  /** @throws InputError when no example was added */
  result(): EvaluationResult;
}

/** What a model is trained to do: a head on the backbone's output, its targets, its loss and its scores. */
export interface Task {
  /** Registered name, e.g. `classification`. */
  readonly name: string;
  readonly metrics: readonly Metric[];
  /** The head's parameters, named `head.…`. @throws InputError when the model lacks what the head reads */
  parameters(model: Architecture): readonly ParameterSpec[];
  /**
   * The prediction `[B, …]`, e.g. logits `[B, C]` or log depth in log metres `[B, H, W]`.
   * @param parameter gives the head's parameters and the backbone's weights by name, e.g. `norm.weight`
   */
  predict(output: ForwardOutput, model: Architecture, parameter: (name: string) => Tensor): Tensor;
  /** The target feeds of a batch of B. */
  targets(model: Architecture, batch: number): readonly TargetFeed[];
  /** Loss per example `[B]`. */
  loss(prediction: Tensor, targets: Readonly<Partial<Record<TargetKind, Tensor>>>): Tensor;
  evaluator(): Evaluator;
  /**
   * What predictions say of each pixel, in the values of their target: classes or metres, `[n, H, W]`. For pictures; absent
   * for tasks without one value per pixel.
   * @param size H and W
   */
  pixels?(prediction: HostTensor, size: readonly [height: number, width: number]): PixelPredictions;
}

/** A value for each pixel. */
export interface PixelPredictions {
  /** The kind of target that it stands beside. */
  readonly kind: 'mask' | 'depth';
  /** `[n, H, W]` */
  readonly values: ArrayLike<number>;
}

/** What a task is made for. */
export interface TaskContext {
  /** Of the training split. */
  readonly targets: Targets;
  readonly labelSmoothing: number;
}

/** What a task package registers. */
export interface TaskDefinition<Options = unknown> {
  readonly name: string;
  readonly description: string;
  /** The kinds of targets that a data set must have. */
  readonly targets: readonly TargetKind[];
  /** Validates options and fills in defaults; unknown ones are rejected (`z.strictObject`). */
  readonly options: z.ZodType<Options>;
  /** Makes the task for one data set. */
  create(context: TaskContext, options: Options): Task;
}

/** Types a task definition by its options schema. */
export function defineTask<Options>(definition: TaskDefinition<Options>): TaskDefinition<Options> {
  return definition;
}
