import { crc32 } from 'node:zlib';
import type { DatasetCheck, ImageDataset, ImageSplit, PixelReader } from '@kora-bench/core/data';
import { KoraError } from '@kora-bench/core/errors';
import { mapConcurrently } from '../content/concurrency.js';
import type { ContentSource } from '../content/content-source.js';
import { evenlySpaced, membersByClass } from '../split/selection.js';

const decodedPerSplit = 64;
const decodedAtOnce = 64;

/** The geometry of the trial decode: small, since it is the decoding that is on trial. */
const trialPreprocessing = {
  imageSize: [32, 32],
  interpolation: 'bilinear',
  cropPct: 1,
  mean: [0.5, 0.5, 0.5],
  std: [0.5, 0.5, 0.5],
} as const;

/**
 * Opens a data set, counts it, and decodes images and targets spread evenly over each split: what `verify`
 * of most data sets does. Failures that a user can meet become `problems`; others are thrown.
 *
 * @param open opens the data set, adds what it finds to `details` and returns further problems.
 * @param decoded examples to decode of each split
 */
export async function checkDataset(
  open: (details: string[]) => Promise<{ dataset: ImageDataset; problems?: readonly string[] }>,
  decoded = decodedPerSplit,
): Promise<DatasetCheck> {
  const details: string[] = [];
  const problems: string[] = [];
  try {
    const opened = await open(details);
    problems.push(...(opened.problems ?? []));
    const { train, val, test } = opened.dataset;
    for (const split of [train, val, test]) {
      if (split !== undefined) await checkSplit(split, decoded, { details, problems });
    }
  } catch (error) {
    if (!(error instanceof KoraError)) throw error;
    problems.push(error.explain());
  }
  return { ok: problems.length === 0, details, problems };
}

interface Report {
  readonly details: string[];
  readonly problems: string[];
}

async function checkSplit(split: ImageSplit, decoded: number, report: Report): Promise<void> {
  const { details, problems } = report;
  const { label, value, mask, depth } = split.targets;
  const counts = label && membersByClass(split).map(({ length }) => length);
  details.push(`${split.split}: ${split.length} images${counts === undefined ? '' : classesText(counts)}`);
  details.push(...split.notes);
  if (value !== undefined && !value.values.every(Number.isFinite)) {
    problems.push(`${split.split}: some of the values ${value.names.join(', ')} are not finite numbers.`);
  }
  const reader = await split.open(trialPreprocessing);
  try {
    const sample = evenlySpaced(split.length, decoded);
    const first = await reader
      .read(sample.slice(0, decodedAtOnce))
      .catch((error) => userError(error) && undefined);
    const failures = first === undefined ? await failuresOf(reader, sample.slice(0, decodedAtOnce)) : [];
    for (let at = decodedAtOnce; at < sample.length; at += decodedAtOnce) {
      const chunk = sample.slice(at, at + decodedAtOnce);
      await reader
        .read(chunk)
        .catch(async (error) => userError(error) && failures.push(...(await failuresOf(reader, chunk))));
    }
    problems.push(...atMost(failures));
    details.push(`${split.split}: ${sample.length - failures.length} images decoded`);
    if (first === undefined) return;
    const pixels = first.pixels.length / 3;
    if (mask !== undefined) {
      const classes = mask.classNames.length;
      addFinding(maskFinding(first.mask, pixels, classes), split.split, report);
    }
    if (depth !== undefined) addFinding(depthFinding(first.depth, pixels), split.split, report);
  } finally {
    await reader.close();
  }
}

/** @throws the error unless it is one that a user can meet */
function userError(error: unknown): true {
  if (error instanceof KoraError) return true;
  throw error;
}

/** Why each of these examples cannot be read, of those that cannot. */
async function failuresOf(reader: PixelReader, indices: readonly number[]): Promise<string[]> {
  const failures: string[] = [];
  for (const index of indices) {
    await reader.read([index]).catch((error) => userError(error) && failures.push(error.explain()));
  }
  return failures;
}

interface Finding {
  readonly detail?: string;
  readonly problem?: string;
}

function addFinding(finding: Finding, split: string, { details, problems }: Report): void {
  if (finding.detail !== undefined) details.push(`${split}: ${finding.detail}`);
  if (finding.problem !== undefined) problems.push(`${split}: ${finding.problem}`);
}

function maskFinding(mask: Int32Array | undefined, pixels: number, classes: number): Finding {
  if (mask?.length !== pixels) return { problem: `masks are missing, ${pixels} pixels were expected.` };
  const seen = new Set<number>();
  let labelled = 0;
  for (const label of mask) {
    if (label < -1 || label >= classes) {
      return { problem: `a mask has the class ${label}, but there are ${classes} classes.` };
    }
    if (label === -1) continue;
    seen.add(label);
    labelled++;
  }
  if (labelled === 0) return { problem: 'no pixel of the masks has a class.' };
  const share = percent(labelled / pixels);
  return { detail: `masks show ${seen.size} of ${classes} classes, on ${share} of the pixels` };
}

function depthFinding(depth: Float32Array | undefined, pixels: number): Finding {
  if (depth?.length !== pixels) return { problem: `depth is missing, ${pixels} pixels were expected.` };
  if (!depth.every((metres) => Number.isFinite(metres) && metres >= 0)) {
    return { problem: 'depth has values that are negative or no finite numbers.' };
  }
  const measured = depth.filter((metres) => metres > 0);
  if (measured.length === 0) return { problem: 'no pixel of the depth images is measured.' };
  const least = measured.reduce((a, b) => Math.min(a, b));
  const most = measured.reduce((a, b) => Math.max(a, b));
  const share = percent(measured.length / pixels);
  return { detail: `depth from ${least.toFixed(2)} to ${most.toFixed(2)} m, on ${share} of the pixels` };
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function classesText(counts: readonly number[]): string {
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  return `, ${counts.length} classes, ${least === most ? least : `${least} to ${most}`} a class`;
}

const readsAtOnce = 8;
const mostReported = 10;

function atMost(problems: string[]): string[] {
  const more = problems.length - mostReported;
  return more > 0 ? [...problems.slice(0, mostReported), `… and ${more} more files`] : problems;
}

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
    return atMost(found.filter((problem) => problem !== undefined));
  } finally {
    await reader.close();
  }
}
