import type { ImageSplit, Preprocessing } from '@kora-bench/core';
import type { ClassificationResult } from '../../records/record-schema.js';
import type { FindingLog } from './finding-log.js';

/** Training labels: classes of the head that no training example has. */
export function auditTrainingLabels(
  findings: FindingLog,
  where: string,
  train: ImageSplit,
  classes: number,
): void {
  const present = new Set(train.labels);
  if (present.size === classes) return;
  const severity = present.size <= 1 ? 'error' : 'warning';
  findings.add(
    severity,
    'MISSING_CLASSES',
    where,
    `The training set has ${present.size} of the head’s ${classes} classes.`,
    {
      present: present.size,
      classes,
      examples: train.length,
    },
  );
}

/** Evaluation labels: classes of the head that are never asked for. */
export function auditEvaluationLabels(
  findings: FindingLog,
  where: string,
  val: ImageSplit,
  classes: number,
): void {
  const present = new Set(val.labels);
  if (present.size === classes) return;
  const severity = present.size <= 1 ? 'error' : 'warning';
  findings.add(
    severity,
    'EVALUATION_CLASSES',
    where,
    `The evaluation set has ${present.size} of the head’s ${classes} classes.`,
    {
      present: present.size,
      classes,
      examples: val.length,
    },
  );
}

/**
 * With a single true class, weighted F1 is 2a/(1 + a) whatever the model does: the score measures how
 * often one answer is given, not whether classes are told apart.
 */
export function auditSingleClass(findings: FindingLog, where: string, result: ClassificationResult): void {
  if (result.distinctLabels !== 1) return;
  const identity = (2 * result.top1) / (1 + result.top1);
  findings.add(
    'error',
    'SINGLE_CLASS_F1',
    where,
    'All evaluated examples have one label, so weighted F1 is 2a/(1 + a) of accuracy a.',
    {
      accuracy: result.top1,
      weightedF1: result.weightedF1,
      identity,
      holds: Math.abs(identity - result.weightedF1) < 1e-9,
    },
  );
}

/** The files of a split with the hash of each one's content. */
export interface HashedFiles {
  readonly paths: readonly string[];
  readonly hashes: readonly string[];
}

/** The same stored image in training and evaluation. */
export function auditLeakage(
  findings: FindingLog,
  where: string,
  train: HashedFiles,
  val: HashedFiles,
): void {
  const seen = new Map(train.hashes.map((hash, i) => [hash, i]));
  const shared = val.hashes.flatMap((hash, i) => {
    const match = seen.get(hash);
    return match === undefined ? [] : [{ train: train.paths[match]!, val: val.paths[i]! }];
  });
  if (shared.length === 0) return;
  findings.add(
    'error',
    'TRAIN_TEST_OVERLAP',
    where,
    `${shared.length} evaluation images are in the training set too.`,
    {
      images: shared.length,
      examples: shared.slice(0, 5),
    },
  );
}

/** Normalisation other than the checkpoint's own. */
export function auditPreprocessing(
  findings: FindingLog,
  where: string,
  used: Preprocessing,
  own: Preprocessing,
): void {
  const same = (a: readonly number[], b: readonly number[]) =>
    a.every((value, i) => Math.abs(value - b[i]!) < 1e-6);
  if (same(used.mean, own.mean) && same(used.std, own.std)) return;
  findings.add(
    'warning',
    'NORMALIZATION_MISMATCH',
    where,
    'Images are not normalised as the checkpoint was trained.',
    {
      used: { mean: used.mean, std: used.std },
      checkpoint: { mean: own.mean, std: own.std },
    },
  );
}

/** A training subset taken from the front of the directory order. */
export function auditSubset(findings: FindingLog, where: string, train: ImageSplit, all: ImageSplit): void {
  const chosen = new Set(train.paths);
  findings.add(
    'warning',
    'DIRECTORY_ORDER_SUBSET',
    where,
    'The training set is the first files in directory order, never shuffled.',
    {
      examples: train.length,
      of: all.length,
      trueClasses: new Set(all.paths.flatMap((path, i) => (chosen.has(path) ? [all.labels[i]] : []))).size,
      classes: all.classNames.length,
    },
  );
}
