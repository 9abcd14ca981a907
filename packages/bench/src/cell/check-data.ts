import type { ConfiguredMethod, ImageDataset, ImageSplit } from '@kora-bench/core';
import { InputError, stagesOf } from '@kora-bench/core';
import { classPart } from './class-part.js';

/*
 * What must be true of a cell's data before anything trains: a run that fails later for a reason that
 * was known at the start wastes the time in between.
 */

/**
 * Checks that a data set is of the task that it was named for, and that both of its splits fit one head.
 * @param field the configuration's field that names it, e.g. `source`
 * @throws InputError
 */
export function checkDataset(field: 'source' | 'target' | 'depth', { name, train, val }: ImageDataset): void {
  const task = field === 'depth' ? 'depth' : 'classification';
  if (train.task !== task) {
    throw new InputError(`The data set ${name} cannot be used here.`, {
      where: field,
      expected: `a ${task} data set`,
      received: `${name}, a ${train.task} data set`,
      fix: 'Choose another one; `bench list datasets` shows the task of each.',
    });
  }
  if (task === 'depth') return;
  const classes = train.classNames.length;
  if (val.classNames.length !== classes) {
    throw new InputError(`The classes of ${name} don’t match the head.`, {
      where: field,
      expected: `${classes} classes, as in its training split`,
      received: `${val.classNames.length} classes in its validation split`,
      fix: 'Use splits with the same list of classes.',
    });
  }
  for (const split of [train, val]) checkLabels(field, name, split, classes);
}

function checkLabels(field: string, name: string, split: ImageSplit, classes: number): void {
  const outside = split.labels.findIndex((label) => label < 0 || label >= classes);
  if (outside < 0) return;
  throw new InputError(`The classes of ${name} don’t match the head.`, {
    where: `${field}: ${split.paths[outside]}`,
    expected: `labels from 0 to ${classes - 1}`,
    received: `label ${split.labels[outside]}`,
    fix: 'Give every class a name and every example the label of one of them.',
  });
}

/**
 * Checks that the training examples fill at least one batch.
 * @param field the configuration's field, e.g. `training.batchSize`
 * @throws InputError
 */
export function checkBatchSize(field: string, batchSize: number, examples: number, of: string): void {
  if (batchSize <= examples) return;
  throw new InputError('The batch is larger than the data.', {
    where: field,
    expected: `at most ${examples}, the number of training examples of ${of}`,
    received: String(batchSize),
    fix: 'Choose a smaller batch size or more examples.',
  });
}

/** {@link checkBatchSize} for every stage of a method, some of which train on a part of the classes. */
export function checkStageBatches(
  field: string,
  batchSize: number,
  split: ImageSplit,
  method: ConfiguredMethod,
): void {
  checkBatchSize(field, batchSize, split.length, split.dataset);
  for (const { name, classPart: part } of stagesOf(method)) {
    if (part === undefined) continue;
    const { chosen } = classPart(split, part);
    checkBatchSize(field, batchSize, chosen.length, `${split.dataset} in the stage ${name}`);
  }
}
