import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '@kora-bench/platform-node/atomic-file';
import { dataFolders } from '@kora-bench/platform-node/data-folders';
import type { TileStore } from './tune-tiles.js';
import { storedTiles } from './tune-tiles.js';

/**
 * Tiles in a file of the cache folder: `KORA_CACHE_DIR`, or the platform's own.
 * @param device names the device, its driver and all else that they are good for
 */
export function tileFile(device: string): TileStore {
  const name = createHash('sha256').update(device).digest('hex').slice(0, 16);
  const path = () => join(dataFolders().cacheDir, 'webgpu-tiles', `${name}.json`);
  const load = async () => {
    try {
      const content: unknown = JSON.parse(await readFile(path(), 'utf8'));
      const parsed = storedTiles.safeParse((content as { tiles?: unknown } | null)?.tiles);
      return parsed.success ? parsed.data : {};
    } catch {
      return {};
    }
  };
  return {
    load,
    async save(found) {
      try {
        // Another process may have added some in the meantime.
        const tiles = { ...(await load()), ...found };
        await writeFileAtomic(path(), `${JSON.stringify({ device, tiles }, undefined, 1)}\n`);
      } catch {
        // Without a file, they are found again next time.
      }
    },
  };
}
