import { crc32 } from 'node:zlib';
import { type DatasetCheck, type ImageDataset, type ImageSplit, KoraError } from '@kora-bench/core';
import { mapConcurrently } from '../concurrency.js';
import type { ContentSource } from '../content/content-source.js';
import { evenlySpaced, membersByClass } from '../split/selection.js';

const decodedPerSplit = 64;

/** The geometry of the trial decode: small, since it is the decoding that is on trial. */
const trialPreprocessing = {
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
  const reader = await split.open(trialPreprocessing);
  try {
    const sample = evenlySpaced(split.length, decodedPerSplit);
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

const readsAtOnce = 8;
const mostReported = 10;

/** Reads every file of a data set and compares it with its checksum; returns what is wrong. */
export async function crcFailures(source: ContentSource, details: string[]): Promise<string[]> {
  const checksums = await source.checksums();
  const reader = await source.open();
  let bytes = 0;
  try {
    const found = await mapConcurrently(source.entries, readsAtOnce, async ({ path, size }, entry) => {
      try {
        bytes += size;
        if (crc32(await reader.read(entry)) === checksums[entry]) return undefined;
        return `${source.location}: ${path} has a wrong CRC-32. Download the data set again.`;
      } catch (error) {
        if (error instanceof KoraError) return error.explain();
        throw error;
      }
    });
    details.push(`${source.entries.length} files, ${bytes} bytes read and compared with their CRC-32`);
    const wrong = found.filter((problem) => problem !== undefined);
    const more = wrong.length - mostReported;
    return more > 0 ? [...wrong.slice(0, mostReported), `… and ${more} more files`] : wrong;
  } finally {
    await reader.close();
  }
}
