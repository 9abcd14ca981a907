import type { NodeId } from '@kora-bench/core';
import { range } from '../range.js';
import type { KernelBody, KernelContext } from '../write-kernel.js';
import { finishFunction } from './finish-function.js';
import { loadBlock } from './load-block.js';
import type { Operand, Product, Term } from './product.js';
import type { Tile } from './tile.js';
import { lanesOf, stagedStride, tileOf, workgroupBytes } from './tile.js';

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
  const loads = product.terms.map((term, t) => loadFunctions(context, product, term, tile, t));
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

/** Stages block `e` of a slab: those of the left operand first, then those of the right one. */
function loadFunctions(
  context: KernelContext,
  { M, N }: Product,
  { K, left, right }: Term,
  tile: Tile,
  t: number,
): string {
  const stage = (
    name: 'left' | 'right',
    operand: Operand,
    lines: number,
    extent: number,
    first: string,
    block: string,
  ) => {
    const start = name === 'left' ? 0 : stagedLeft(tile);
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
${stage('left', left, tile.rows, M, 'firstRow', 'e')}
} else {
${stage('right', right, tile.columns, N, 'firstColumn', `(e - ${leftBlocks}u)`)}
}
}`;
}
