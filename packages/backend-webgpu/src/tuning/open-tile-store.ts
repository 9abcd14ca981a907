import { inNode } from '../device/in-node.js';
import { importTileFile } from '../device/node-half.js';
import type { TileStore } from './tile-store.js';

/**
 * Where tiles for a device are kept: a file in Node; nowhere in a browser, whose pages find them anew.
 * @param device all that decides how good a tile is, by name: the device, its driver, the precision
 */
export async function openTileStore(device: Readonly<Record<string, string>>): Promise<TileStore> {
  if (!inNode) return { load: async () => ({}), save: async () => undefined };
  const { tileFile } = await importTileFile();
  return tileFile(JSON.stringify(device));
}
