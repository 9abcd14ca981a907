import { productKey } from '../../tuning/product-key.js';
import type { KernelTarget } from '../kernel-target.js';
import type { Product } from './product.js';

/** How a workgroup computes a block of a product's result. All numbers are divisible by four. */
export interface Tile {
  /** Rows and columns of the block. */
  readonly rows: number;
  readonly columns: number;
  /** How many elements of each row and column are in the workgroup's memory at once. */
  readonly depth: number;
  /** Rows and columns of the part of one lane. */
  readonly laneRows: number;
  readonly laneColumns: number;
}

/** From the largest to the smallest block. */
export const squareTiles: readonly Tile[] = [
  { rows: 128, columns: 128, depth: 16, laneRows: 8, laneColumns: 8 },
  { rows: 128, columns: 64, depth: 16, laneRows: 8, laneColumns: 4 },
  { rows: 64, columns: 64, depth: 16, laneRows: 8, laneColumns: 4 },
  { rows: 64, columns: 32, depth: 16, laneRows: 4, laneColumns: 4 },
  { rows: 32, columns: 32, depth: 16, laneRows: 4, laneColumns: 4 },
];

/** For results that are only a few columns wide or a few rows high. */
const narrowTiles: readonly Tile[] = [
  { rows: 128, columns: 8, depth: 32, laneRows: 4, laneColumns: 4 },
  { rows: 128, columns: 16, depth: 32, laneRows: 4, laneColumns: 4 },
  { rows: 8, columns: 128, depth: 32, laneRows: 4, laneColumns: 4 },
  { rows: 16, columns: 128, depth: 32, laneRows: 4, laneColumns: 4 },
  { rows: 256, columns: 16, depth: 8, laneRows: 4, laneColumns: 4 },
  { rows: 16, columns: 256, depth: 8, laneRows: 4, laneColumns: 4 },
  { rows: 16, columns: 16, depth: 32, laneRows: 4, laneColumns: 4 },
];

/** Workgroups that keep a large GPU busy. */
const manyWorkgroups = 192;

/** How many times the work of a product it may take to fit others. */
const mostWaste = 4;

/** The tile of a product: as it was measured, or as it should do well. */
export function tileOf(product: Product, target: KernelTarget): Tile {
  const measured = target.tiles?.get(productKey(product));
  const fits = measured !== undefined && (target.lanes ?? lanesOf(measured)) === lanesOf(measured);
  return fits ? measured : tilesFor(product, target)[0]!;
}

/**
 * The tiles that a device can run for a product, the one that should do well without measuring first. They have
 * as many lanes as the target asks for, where there are such.
 */
export function tilesFor({ M, N, batch }: Product, target: KernelTarget): readonly Tile[] {
  const fits = (tile: Tile) => workgroupBytes(tile) <= target.workgroupBytes;
  const covers = ({ rows, columns }: Tile) => Math.ceil(M / rows) * Math.ceil(N / columns) * rows * columns;
  const groups = (tile: Tile) => Math.ceil(M / tile.rows) * Math.ceil(N / tile.columns) * batch;
  const narrow = Math.min(M, N) <= 16;
  const usable = (narrow ? [...narrowTiles, ...squareTiles] : squareTiles).filter(fits);
  const least = Math.min(...usable.map(covers));
  const byMerit = (tile: Tile) => {
    const waste = covers(tile) / least;
    const busy = Math.min(1, groups(tile) / manyWorkgroups);
    const reuse = (tile.rows * tile.columns) / (tile.rows + tile.columns);
    return (busy * Math.min(1, reuse / 32)) / waste;
  };
  const sorted = [...usable].sort((a, b) => byMerit(b) - byMerit(a));
  const asked = sorted.filter((tile) => lanesOf(tile) === target.lanes && covers(tile) <= mostWaste * least);
  return asked.length > 0 ? asked : sorted;
}

/** Lanes of a workgroup. */
export function lanesOf({ rows, columns, laneRows, laneColumns }: Tile): number {
  return (rows / laneRows) * (columns / laneColumns);
}

/** Memory that a workgroup needs for its parts of both operands. */
export function workgroupBytes(tile: Tile): number {
  return 16 * tile.depth * (stagedStride(tile.rows) + stagedStride(tile.columns));
}

/** Groups of four lines from one k to the next in the workgroup's memory; odd, so that lanes meet different banks. */
export function stagedStride(lines: number): number {
  return lines / 4 + 1;
}
