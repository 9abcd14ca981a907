import { z } from 'zod';
import type { Tile } from '../wgsl/matmul/tile.js';

const divisible = z.int().positive().multipleOf(4);

/** Tiles by the key of their product, as they are kept on disk. */
export const storedTiles = z.record(
  z.string(),
  z.strictObject({
    rows: divisible,
    columns: divisible,
    depth: divisible,
    laneRows: divisible,
    laneColumns: divisible,
  }),
);

/** Where the tiles that were found for a device outlive the process. */
export interface TileStore {
  /** What was found before; nothing where that cannot be read. */
  load(): Promise<Readonly<Record<string, Tile>>>;
  /** Adds to it. Never throws: what is lost can be found again. */
  save(tiles: Readonly<Record<string, Tile>>): Promise<void>;
}
