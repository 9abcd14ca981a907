import { crc32 } from 'node:zlib';
import { KoraError } from '@kora-bench/core';
import type { ContentSource } from '../content/content-source.js';
import { mapConcurrently } from '../content/map-concurrently.js';

const READS_AT_ONCE = 8;
const MOST_REPORTED = 10;

/** Reads every file of a data set and compares it with its checksum; returns what is wrong. */
export async function crcFailures(source: ContentSource, details: string[]): Promise<string[]> {
  const checksums = await source.checksums();
  const reader = await source.open();
  let bytes = 0;
  try {
    const found = await mapConcurrently(source.entries, READS_AT_ONCE, async ({ path, size }, entry) => {
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
    const more = wrong.length - MOST_REPORTED;
    return more > 0 ? [...wrong.slice(0, MOST_REPORTED), `… and ${more} more files`] : wrong;
  } finally {
    await reader.close();
  }
}
