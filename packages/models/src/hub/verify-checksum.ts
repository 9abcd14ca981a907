import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { HubFile } from './file-metadata.js';

/**
 * Whether a file on disk is the hub's: its size, then its digest. A small file's digest is git's blob
 * SHA-1, taken over `blob <size>\0` and the content.
 * @returns the digest found, and whether it is the right one; `undefined` when there is no such file
 */
export async function verifyChecksum(
  path: string,
  { size, checksum }: Pick<HubFile, 'size' | 'checksum'>,
): Promise<{ ok: boolean; found: string } | undefined> {
  const length = await stat(path).then(
    (entry) => (entry.isFile() ? entry.size : undefined),
    () => undefined,
  );
  if (length === undefined) return undefined;
  if (length !== size) return { ok: false, found: `${length} bytes` };
  const hash =
    checksum.kind === 'sha256' ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`);
  for await (const piece of createReadStream(path)) hash.update(piece as Buffer);
  const hex = hash.digest('hex');
  return { ok: hex === checksum.hex, found: hex };
}
