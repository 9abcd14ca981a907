import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageSplit } from '@kora-bench/core/data';
import { writeFileAtomic } from '@kora-bench/platform-node/atomic-file';
import type { ReportProgress } from '@kora-bench/trainer';
import { PassProgress } from '@kora-bench/trainer';

/*
 * Hashing every image of a split means reading or rendering it once more, which takes longer than
 * training some cells; so the list is kept as text: a first line with format, split, count and the
 * checksum of the rest, then one hash per line.
 */

const format = 'kora-content-hashes 1';

/** Images between two words on how far it is. */
const portion = 2048;

/**
 * The content hashes of all examples of `split`, computed once and then read from `cacheDir`.
 * @param report called with how far it is, and with the reason when the hashes cannot be kept
 */
export async function contentHashes(
  split: ImageSplit,
  cacheDir: string,
  report: ReportProgress,
): Promise<readonly string[]> {
  const path = hashesPath(split, cacheDir);
  const known = await readHashes(path, split);
  if (known !== undefined) return known;
  const hashes = await hashAll(split, report);
  try {
    await writeFileAtomic(path, textOf(split, hashes));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    report({ kind: 'message', text: `Content hashes of ${split.dataset} cannot be kept: ${reason}` });
  }
  return hashes;
}

/** Where the hashes of a split are kept. */
export function hashesPath({ fingerprint }: Pick<ImageSplit, 'fingerprint'>, cacheDir: string): string {
  return join(cacheDir, 'content-hashes', `${sha256(fingerprint).slice(0, 40)}.txt`);
}

async function hashAll(split: ImageSplit, report: ReportProgress): Promise<string[]> {
  const name = `${split.dataset} ${split.split}: content hashes`;
  const progress = new PassProgress(report, name, Math.ceil(split.length / portion));
  const hashes: string[] = [];
  for (let at = 0; at < split.length; at += portion) {
    const count = Math.min(portion, split.length - at);
    hashes.push(...(await split.contentHashes(Array.from({ length: count }, (_, i) => at + i))));
    progress.step(count);
  }
  return hashes;
}

/** The list in a file, or `undefined` if it is not there, damaged or of another split. */
async function readHashes(path: string, split: ImageSplit): Promise<string[] | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch {
    return undefined;
  }
  const hashes = text.split('\n').slice(1);
  return hashes.length === split.length && text === textOf(split, hashes) ? hashes : undefined;
}

function textOf({ fingerprint, length }: ImageSplit, hashes: readonly string[]): string {
  const body = hashes.join('\n');
  return `${format} ${fingerprint} ${length} ${sha256(body)}\n${body}`;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
