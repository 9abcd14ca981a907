import { type DatasetCheck, type ImageDataset, type ImageSplit, KoraError } from '@kora-bench/core';
import { evenlySpaced, membersByClass } from '../split/selection.js';

const DECODED_PER_SPLIT = 64;

/** The geometry of the trial decode: small, since it is the decoding that is on trial. */
const TRIAL = {
  imageSize: [32, 32],
  interpolation: 'bilinear',
  cropPct: 1,
  mean: [0.5, 0.5, 0.5],
  std: [0.5, 0.5, 0.5],
} as const;

/**
 * Opens a data set, counts it and decodes images spread evenly over each split. Failures that a user
 * can meet become `problems`; others are thrown.
 *
 * @param open opens the data set, adds what it finds to `details` and returns further problems.
 */
export async function checkDataset(
  open: (details: string[]) => Promise<{ dataset: ImageDataset; problems: readonly string[] }>,
): Promise<DatasetCheck> {
  const details: string[] = [];
  const problems: string[] = [];
  try {
    const opened = await open(details);
    problems.push(...opened.problems);
    const { train, val, test } = opened.dataset;
    for (const split of [train, val, test]) if (split !== undefined) await checkSplit(split, details);
  } catch (error) {
    if (!(error instanceof KoraError)) throw error;
    problems.push(error.explain());
  }
  return { ok: problems.length === 0, details, problems };
}

async function checkSplit(split: ImageSplit, details: string[]): Promise<void> {
  const counts = split.targets.label && membersByClass(split).map(({ length }) => length);
  details.push(`${split.split}: ${split.length} images${counts === undefined ? '' : classesText(counts)}`);
  details.push(...split.notes);
  const reader = await split.open(TRIAL);
  try {
    const sample = evenlySpaced(split.length, DECODED_PER_SPLIT);
    await reader.read(sample);
    details.push(`${split.split}: ${sample.length} images decoded`);
  } finally {
    await reader.close();
  }
}

function classesText(counts: readonly number[]): string {
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  return `, ${counts.length} classes, ${least === most ? least : `${least} to ${most}`} a class`;
}
