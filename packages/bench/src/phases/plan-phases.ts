import type { DataContext, ImageDataset, ImageSplit, Preprocessing } from '@kora-bench/core/data';
import { kindsOf, requireTarget } from '@kora-bench/core/data';
import { InputError } from '@kora-bench/core/errors';
import type { Architecture } from '@kora-bench/core/nn';
import type { ConfiguredMethod } from '@kora-bench/core/peft';
import { stagesOf } from '@kora-bench/core/peft';
import type { ProtocolDraw, Task, TrainingConfig } from '@kora-bench/core/training';
import { evenSubset } from '@kora-bench/datasets';
import { classPart, type TrainMethodSpec } from '@kora-bench/trainer';
import type { Limits, RunConfig } from '../config/run-config.js';
import type { ChosenPhase } from './resolve-phases.js';

/*
 * What a phase will train on and be scored on, made and checked before anything trains: a run that fails
 * later for a reason that was known at the start wastes the time in between.
 */

/** A phase with its data open and its examples taken. */
export interface PlannedPhase {
  readonly phase: ChosenPhase;
  readonly dataset: ImageDataset;
  readonly draws: readonly [ProtocolDraw, ...ProtocolDraw[]];
  readonly trains: TrainMethodSpec['trains'] | 'nothing';
  taskFor(split: ImageSplit): Task;
}

export interface PlanSettings {
  readonly config: RunConfig;
  /** Of phases without a rate of their own. */
  readonly learningRate: number;
  readonly seed: number;
  /** The checkpoint's own. */
  readonly preprocessing: Preprocessing;
  readonly method: ConfiguredMethod;
  readonly model: Architecture;
}

/** Opens the data sets of some phases, each once. @throws MissingDataError | FormatError */
export async function openDatasets(
  phases: readonly ChosenPhase[],
  context: DataContext,
): Promise<ReadonlyMap<string, ImageDataset>> {
  const names = new Map(phases.map(({ config, dataset }) => [config.data, dataset]));
  const opened = [...names].map(async ([name, dataset]) => [name, await dataset.open(context)] as const);
  return new Map(await Promise.all(opened));
}

/** How a phase trains: the run's training with the phase's changes. */
export function trainingOf(
  { config: phase }: Pick<ChosenPhase, 'config'>,
  config: RunConfig,
  learningRate: number,
): TrainingConfig {
  const changes = Object.fromEntries(
    Object.entries(phase.training).filter(([, value]) => value !== undefined),
  );
  return { ...config.training, learningRate, ...changes };
}

/** @throws InputError when the data cannot be used so, naming the field at fault */
export function planPhase(phase: ChosenPhase, dataset: ImageDataset, settings: PlanSettings): PlannedPhase {
  const { config, method, seed } = settings;
  const { task, protocol, field } = phase;
  const { trains, from } = phase.config;
  checkSplits(`${field}.data`, dataset, task.definition.targets);
  const training = trainingOf(phase, config, settings.learningRate);
  const limits: Limits = { ...config.limits, ...withoutUndefined(phase.config.limits) };
  const limit = (split: ImageSplit, most: number | null) => (most === null ? split : evenSubset(split, most));
  const preprocessing = {
    ...settings.preprocessing,
    ...withoutUndefined(config.preprocessing),
    ...withoutUndefined(phase.config.preprocessing),
  };
  const cut: ImageDataset = { ...dataset, test: limit(dataset.test, limits.testExamples) };
  const drawn = protocol.definition.draws({ data: cut, preprocessing, training, seed }, protocol.options);
  const draws = drawn.map((draw) => ({
    ...draw,
    train: limit(draw.train, limits.trainExamples),
    val: draw.val && limit(draw.val, limits.valExamples),
  })) as unknown as PlannedPhase['draws'];
  const { name: protocolName } = protocol.definition;
  const planned: PlannedPhase = {
    phase,
    dataset,
    draws,
    trains: trains !== 'all' ? trains : from === null ? 'all' : 'last-stage',
    taskFor: ({ targets }) =>
      task.definition.create({ targets, labelSmoothing: training.labelSmoothing }, task.options),
  };
  for (const draw of draws) {
    checkHead(planned, draw.train, settings.model);
    checkDraw(planned, draw, method);
  }
  if (phase.config.evaluate.includes('val') && draws.some(({ val }) => val === undefined)) {
    throw new InputError(`The protocol ${protocolName} has no validation examples.`, {
      where: `${field}.evaluate`,
      expected: '["test"]',
      received: JSON.stringify(phase.config.evaluate),
      fix: 'Score this phase on test alone, or use another protocol.',
    });
  }
  return planned;
}

function withoutUndefined<T extends object>(fields: T): { [Key in keyof T]: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}

/** A head may read what a model does not have, e.g. a block; its options are the user's. */
function checkHead({ phase, taskFor }: PlannedPhase, train: ImageSplit, model: Architecture): void {
  inField(`${phase.field}.task`, () => taskFor(train).parameters(model));
}

/** What `check` throws, with the configuration's field in front of its own place. */
export function inField<T>(field: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const { message, where, expected, received, fix } = error;
    throw new InputError(message, {
      where: where === undefined ? field : `${field}: ${where}`,
      ...(expected !== undefined && { expected }),
      ...(received !== undefined && { received }),
      ...(fix !== undefined && { fix }),
      cause: error,
    });
  }
}

function checkDraw(
  { phase, trains }: PlannedPhase,
  { train, training }: ProtocolDraw,
  method: ConfiguredMethod,
): void {
  const own = phase.config.training.batchSize;
  const where = own === undefined ? 'training.batchSize' : `${phase.field}.training.batchSize`;
  checkBatchSize(where, training.batchSize, train.length, `${train.dataset} in ${phase.label}`);
  if (trains !== 'all') return;
  for (const { name: stage, classPart: part } of stagesOf(method)) {
    if (part === undefined) continue;
    if (train.targets.label === undefined) {
      throw new InputError(
        `The method ${method.definition.name} trains its stage ${stage} on a part of the classes.`,
        {
          where: `${phase.field}.task`,
          expected: 'data with labels',
          received: `${train.dataset}, which has ${kindsOf(train.targets).join(', ')}`,
          fix: `Let a phase with labels come first and start from it with "from", or leave the method out.`,
        },
      );
    }
    const { length } = classPart(train, part);
    checkBatchSize(where, training.batchSize, length, `${train.dataset} in the stage ${stage}`);
  }
}

function checkBatchSize(where: string, batchSize: number, examples: number, of: string): void {
  if (batchSize <= examples) return;
  throw new InputError('The batch is larger than the data.', {
    where,
    expected: `at most ${examples}, the number of training examples of ${of}`,
    received: String(batchSize),
    fix:
      where === 'training.batchSize'
        ? 'Use a smaller --batch-size, or more examples with --limit.'
        : 'Choose a smaller batch size or more examples.',
  });
}

/**
 * Checks that a data set has the targets of its task, and that its splits fit one head.
 * @param field the configuration's field that names it, e.g. `phases[0].data`
 * @throws InputError
 */
function checkSplits(
  field: string,
  { name, train, val, test }: ImageDataset,
  targets: ChosenPhase['task']['definition']['targets'],
): void {
  const splits = [train, ...(val === undefined ? [] : [val]), test];
  for (const split of splits)
    for (const kind of targets)
      inField(field, () => requireTarget(split.targets, kind, `the ${split.split} split of ${name}`));
  if (!targets.includes('label')) return;
  const classes = train.targets.label!.classNames.length;
  for (const split of splits) {
    const { classNames, labels } = split.targets.label!;
    if (classNames.length !== classes) {
      throw new InputError(`The classes of ${name} don’t match the head.`, {
        where: field,
        expected: `${classes} classes, as in its training split`,
        received: `${classNames.length} classes in its ${split.split} split`,
        fix: 'Use splits with the same list of classes.',
      });
    }
    const outside = labels.findIndex((label) => label < 0 || label >= classes);
    if (outside < 0) continue;
    throw new InputError(`The classes of ${name} don’t match the head.`, {
      where: `${field}: ${split.paths[outside]}`,
      expected: `labels from 0 to ${classes - 1}`,
      received: `label ${labels[outside]}`,
      fix: 'Give every class a name and every example the label of one of them.',
    });
  }
}
