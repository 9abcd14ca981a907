import type { ImageSplit, Preprocessing } from '@kora-bench/core/data';
import type { EvaluationResult } from '@kora-bench/core/training';
import type { Finding } from '../records/phase-record-schema.js';

/** Collects the findings of a cell; the same code at the same place is kept once. */
export class FindingLog {
  readonly #findings = new Map<string, Finding>();

  add({
    evidence = {},
    ...finding
  }: Omit<Finding, 'evidence'> & { evidence?: Readonly<Record<string, unknown>> }): void {
    const key = `${finding.code}@${finding.where}`;
    if (!this.#findings.has(key)) this.#findings.set(key, { ...finding, evidence: { ...evidence } });
  }

  get all(): readonly Finding[] {
    return [...this.#findings.values()];
  }
}

/** Training labels: classes of the head that no training example has. Nothing for splits without labels. */
export function auditTrainingLabels(findings: FindingLog, where: string, train: ImageSplit): void {
  auditClasses(findings, where, train, { code: 'MISSING_CLASSES', set: 'training' });
}

/** Evaluation labels: classes of the head that are never asked for. Nothing for splits without labels. */
export function auditEvaluationLabels(findings: FindingLog, where: string, split: ImageSplit): void {
  auditClasses(findings, where, split, { code: 'EVALUATION_CLASSES', set: 'evaluation' });
}

function auditClasses(
  findings: FindingLog,
  where: string,
  { targets: { label }, length }: ImageSplit,
  { code, set }: { readonly code: string; readonly set: string },
): void {
  if (label === undefined) return;
  const present = new Set(label.labels).size;
  const classes = label.classNames.length;
  if (present === classes) return;
  findings.add({
    severity: present <= 1 ? 'error' : 'warning',
    code,
    where,
    message: `The ${set} set has ${present} of the head’s ${classes} classes.`,
    evidence: { present, classes, examples: length },
  });
}

/**
 * With a single true class, weighted F1 is 2a/(1 + a) whatever the model does: the score measures how
 * often one answer is given, not whether classes are told apart.
 */
export function auditSingleClass(
  findings: FindingLog,
  where: string,
  { values, details }: Pick<EvaluationResult, 'values' | 'details'>,
): void {
  const { top1, weightedF1 } = values;
  if (details['distinctLabels'] !== 1 || typeof top1 !== 'number' || typeof weightedF1 !== 'number') return;
  const identity = (2 * top1) / (1 + top1);
  findings.add({
    severity: 'error',
    code: 'SINGLE_CLASS_F1',
    where,
    message: 'All evaluated examples have one label, so weighted F1 is 2a/(1 + a) of accuracy a.',
    evidence: { accuracy: top1, weightedF1, identity, holds: Math.abs(identity - weightedF1) < 1e-9 },
  });
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
  evaluated: HashedFiles,
): void {
  const seen = new Map(train.hashes.map((hash, i) => [hash, i]));
  const shared = evaluated.hashes.flatMap((hash, i) => {
    const match = seen.get(hash);
    return match === undefined ? [] : [{ train: train.paths[match]!, evaluated: evaluated.paths[i]! }];
  });
  if (shared.length === 0) return;
  findings.add({
    severity: 'error',
    code: 'TRAIN_TEST_OVERLAP',
    where,
    message: `${shared.length} evaluation images are in the training set too.`,
    evidence: { images: shared.length, examples: shared.slice(0, 5) },
  });
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
  findings.add({
    severity: 'warning',
    code: 'NORMALIZATION_MISMATCH',
    where,
    message: 'Images are not normalised as the checkpoint was trained.',
    evidence: {
      used: { mean: used.mean, std: used.std },
      checkpoint: { mean: own.mean, std: own.std },
    },
  });
}
