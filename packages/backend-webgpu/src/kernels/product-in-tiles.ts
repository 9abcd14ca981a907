import type { NodeId } from '@kora-bench/core/graph';
import { range } from '../wgsl/range.js';
import type { KernelBody, KernelContext } from './kernel-context.js';
import type { KernelTarget, Tile } from './kernel-target.js';
import type { Operand, Product } from './products.js';
import { finishFunction, loadBlock, productKey } from './products.js';

/**
 * Products for GPUs. A workgroup computes one tile of the result; for a slab of K at a time it loads both
 * operands in blocks of 4 × 4, lines side by side, into its memory, from which each lane takes the lines of
 * its own part into registers: groups of four that are spread evenly over the tile.
 */
export function productInTiles(context: KernelContext, anchor: NodeId, product: Product): KernelBody {
  const { M, N, batch } = product;
  const { target } = context;
  const tile = tileOf(product, target);
  const lanes = lanesOf(tile);
  const across = tile.columns / tile.laneColumns;
  const down = tile.rows / tile.laneRows;
  const rowGroups = range(tile.laneRows / 4);
  const columnGroups = range(tile.laneColumns / 4);
  const cells = rowGroups.flatMap((g) =>
    range(4).flatMap((i) => columnGroups.map((q) => ({ name: `sum${g}_${i}_${q}`, g, i, q }))),
  );
  const loads = product.terms.map((_, t) => loadFunction(context, product, t, tile));
  const slab = range(tile.laneRows / 4).map(
    (g) => `let a${g} = staged[k * ${stagedStride(tile.rows)}u + ${g * down}u + down];`,
  );
  const slabRight = columnGroups.map(
    (q) =>
      `let b${q} = staged[${stagedLeft(tile)}u + k * ${stagedStride(tile.columns)}u + ${q * across}u + across];`,
  );
  const steps = cells.map(({ name, g, i, q }) => `${name} = fma(vec4f(a${g}[${i}]), b${q}, ${name});`);
  const terms = product.terms.map(
    ({ K }, t) => `for (var k0 = 0u; k0 < ${K}u; k0 += ${tile.depth}u) {
for (var e = lane; e < ${blocksOf(tile).all}u; e += ${lanes}u) { ${context.scoped(`load${t}`)}(e, batch, firstRow, firstColumn, k0); }
workgroupBarrier();
for (var k = 0u; k < ${tile.depth}u; k++) {
${[...slab, ...slabRight, ...steps].join('\n')}
}
workgroupBarrier();
}`,
  );
  const finish = context.scoped('finish');
  const finishes = cells.map(
    ({ name, g, i, q }) =>
      `${finish}(batch, firstRow + (${g * down}u + down) * 4u + ${i}u, firstColumn + (${q * across}u + across) * 4u, ${name});`,
  );
  return {
    declarations: `${loads.join('\n')}
${finishFunction(context, anchor, product, tile)}`,
    body: `let batch = group.z;
let firstRow = group.y * ${tile.rows}u;
let firstColumn = group.x * ${tile.columns}u;
let down = lane / ${across}u;
let across = lane % ${across}u;
${cells.map(({ name }) => `var ${name} = vec4f();`).join('\n')}
${terms.join('\n')}
${finishes.join('\n')}`,
    staged: workgroupBytes(tile) / 16,
    workgroupSize: lanes,
    workgroups: [Math.ceil(N / tile.columns), Math.ceil(M / tile.rows), batch],
  };
}

/** Groups of four of the left operand's slab, which the right one's follows. */
function stagedLeft({ rows, depth }: Tile): number {
  return depth * stagedStride(rows);
}

function blocksOf({ rows, columns, depth }: Tile): { readonly left: number; readonly all: number } {
  const left = (rows / 4) * (depth / 4);
  return { left, all: left + (columns / 4) * (depth / 4) };
}

/** What is staged of one operand, and where. */
interface StagedSide {
  readonly operand: Operand;
  /** Of the operand, how many lines are staged and how many there are. */
  readonly lines: number;
  readonly extent: number;
  /** The first group of four in the workgroup's memory. */
  readonly start: number;
  /** The first staged line, and the block of 4 × 4 at hand, as WGSL. */
  readonly first: string;
  readonly block: string;
}

/**
 * `load0`, `load1`, …, for term number `t`: stages block `e` of a slab, those of the left operand first, then those
 * of the right one.
 */
function loadFunction(context: KernelContext, { M, N, terms }: Product, t: number, tile: Tile): string {
  const { K, left, right } = terms[t]!;
  const stage = ({ operand, lines, extent, start, first, block }: StagedSide) => {
    const [groups, slabs] = [lines / 4, tile.depth / 4];
    // Neighbouring lanes take neighbouring elements of the operand.
    const [line, k] =
      operand.along === 'k'
        ? [`${block} / ${slabs}u`, `${block} % ${slabs}u`]
        : [`${block} % ${groups}u`, `${block} / ${groups}u`];
    const at = (i: number) => `${start}u + (k + ${i}u) * ${stagedStride(lines)}u + line`;
    return `let line = ${line};
let k = (${k}) * 4u;
${loadBlock(context, operand, { extent, lines, K, depth: tile.depth }, `${first} + line * 4u`)}
${range(4)
  .map((i) => `staged[${at(i)}] = x${i};`)
  .join('\n')}`;
  };
  const { left: leftBlocks } = blocksOf(tile);
  return `fn ${context.scoped(`load${t}`)}(e: u32, batch: u32, firstRow: u32, firstColumn: u32, k0: u32) {
if (e < ${leftBlocks}u) {
${stage({ operand: left, lines: tile.rows, extent: M, start: 0, first: 'firstRow', block: 'e' })}
} else {
${stage({
  operand: right,
  lines: tile.columns,
  extent: N,
  start: stagedLeft(tile),
  first: 'firstColumn',
  block: `(e - ${leftBlocks}u)`,
})}
}
}`;
}

/** From the largest to the smallest block. */
const squareTiles: readonly Tile[] = [
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
function tileOf(product: Product, target: KernelTarget): Tile {
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
function lanesOf({ rows, columns, laneRows, laneColumns }: Tile): number {
  return (rows / laneRows) * (columns / laneColumns);
}

/** Memory that a workgroup needs for its parts of both operands. */
function workgroupBytes(tile: Tile): number {
  return 16 * tile.depth * (stagedStride(tile.rows) + stagedStride(tile.columns));
}

/** Groups of four lines from one k to the next in the workgroup's memory; odd, so that lanes meet different banks. */
function stagedStride(lines: number): number {
  return lines / 4 + 1;
}
