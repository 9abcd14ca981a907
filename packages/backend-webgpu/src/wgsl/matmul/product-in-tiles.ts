import type { NodeId } from '@kora-bench/core';
import type { KernelBody, KernelContext } from '../write-kernel.js';
import type { Operand, Product, Term } from './product.js';
import type { Tile } from './tile.js';
import { lanesOf, stagedStride, tilesFor } from './tile.js';

/**
 * Products for GPUs. A workgroup computes one tile of the result; for a slab of K at a time it loads both
 * operands in blocks of 4 × 4, lines side by side, into its memory, from which each lane takes the lines of
 * its own part into registers: groups of four that are spread evenly over the tile.
 */
export function productInTiles(context: KernelContext, anchor: NodeId, product: Product): KernelBody {
  const { M, N, batch } = product;
  const tile = tilesFor(product, context.target)[0]!;
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
    (g) => `let a${g} = staged_left[k * ${stagedStride(tile.rows)}u + ${g * down}u + down];`,
  );
  const slabRight = columnGroups.map(
    (q) => `let b${q} = staged_right[k * ${stagedStride(tile.columns)}u + ${q * across}u + across];`,
  );
  const steps = cells.map(({ name, g, i, q }) => `${name} = fma(vec4f(a${g}[${i}]), b${q}, ${name});`);
  const terms = product.terms.map(
    ({ K }, t) => `for (var k0 = 0u; k0 < ${K}u; k0 += ${tile.depth}u) {
for (var e = lane; e < ${blocksOf(tile).all}u; e += ${lanes}u) { load${t}(e, batch, firstRow, firstColumn, k0); }
workgroupBarrier();
for (var k = 0u; k < ${tile.depth}u; k++) {
${[...slab, ...slabRight, ...steps].join('\n')}
}
workgroupBarrier();
}`,
  );
  const finishes = cells.map(
    ({ name, g, i, q }) =>
      `finish(batch, firstRow + (${g * down}u + down) * 4u + ${i}u, firstColumn + (${q * across}u + across) * 4u, ${name});`,
  );
  return {
    declarations: `var<workgroup> staged_left: array<vec4f, ${tile.depth * stagedStride(tile.rows)}>;
var<workgroup> staged_right: array<vec4f, ${tile.depth * stagedStride(tile.columns)}>;
${loads.join('\n')}
${finishFunction(context, anchor, product, tile)}`,
    body: `let batch = group.z;
let firstRow = group.y * ${tile.rows}u;
let firstColumn = group.x * ${tile.columns}u;
let down = lane / ${across}u;
let across = lane % ${across}u;
${cells.map(({ name }) => `var ${name} = vec4f();`).join('\n')}
${terms.join('\n')}
${finishes.join('\n')}`,
    workgroupSize: lanes,
    workgroups: [Math.ceil(N / tile.columns), Math.ceil(M / tile.rows), batch],
  };
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
    name: string,
    operand: Operand,
    lines: number,
    extent: number,
    first: string,
    block: string,
  ) => {
    const [groups, slabs] = [lines / 4, tile.depth / 4];
    // Neighbouring lanes take neighbouring elements of the operand.
    const [line, k] =
      operand.along === 'k'
        ? [`${block} / ${slabs}u`, `${block} % ${slabs}u`]
        : [`${block} % ${groups}u`, `${block} / ${groups}u`];
    const at = (i: number) => `(k + ${i}u) * ${stagedStride(lines)}u + line`;
    return `let line = ${line};
let k = (${k}) * 4u;
${loadBlock(context, operand, extent, lines, K, tile.depth, `${first} + line * 4u`)}
${range(4)
  .map((i) => `staged_${name}[${at(i)}] = x${i};`)
  .join('\n')}`;
  };
  const { left: leftBlocks } = blocksOf(tile);
  return `fn load${t}(e: u32, batch: u32, firstRow: u32, firstColumn: u32, k0: u32) {
if (e < ${leftBlocks}u) {
${stage('left', left, tile.rows, M, 'firstRow', 'e')}
} else {
${stage('right', right, tile.columns, N, 'firstColumn', `(e - ${leftBlocks}u)`)}
}
}`;
}

/** Statements for `x0` … `x3`, the elements of four lines from `first` on at k, k + 1, k + 2 and k + 3. */
function loadBlock(
  context: KernelContext,
  operand: Operand,
  extent: number,
  lines: number,
  K: number,
  depth: number,
  first: string,
): string {
  const writer = context.writer();
  const whole = { lines: extent % lines === 0, k: K % depth === 0 };
  const clamp = (index: string, last: number, safe: boolean) =>
    writer.define(safe ? index : `min(${index}, ${last}u)`);
  const inside = (x: string, k: string) =>
    whole.k ? x : writer.define(`select(${x.startsWith('vec4') ? 'vec4f()' : '0.0f'}, ${x}, ${k} < ${K}u)`);
  const start = writer.define(first);
  const k0 = writer.define('k0 + k');
  const four = range(4);
  const names = (() => {
    if (operand.quads && context.target.quads) {
      if (operand.along === 'lines') {
        const line = clamp(start, extent - 4, whole.lines);
        return four.map((i) => {
          const k = writer.define(`${k0} + ${i}u`);
          const x = operand.element(writer, line, clamp(k, K - 1, whole.k), 4);
          return whole.k ? x : writer.define(`select(vec4f(), ${x}, ${k} < ${K}u)`);
        });
      }
      const k = clamp(k0, K - 4, whole.k);
      const rows = four.map((i) => {
        const line = clamp(`${start} + ${i}u`, extent - 1, whole.lines);
        const x = operand.element(writer, line, k, 4);
        return whole.k ? x : writer.define(`select(vec4f(), ${x}, ${k0} < ${K}u)`);
      });
      const turned = writer.define(`transpose(mat4x4f(${rows.join(', ')}))`);
      return four.map((i) => `${turned}[${i}]`);
    }
    const line = four.map((i) => clamp(`${start} + ${i}u`, extent - 1, whole.lines));
    return four.map((i) => {
      const k = writer.define(`${k0} + ${i}u`);
      const clamped = clamp(k, K - 1, whole.k);
      return writer.define(
        `vec4f(${line.map((at) => inside(operand.element(writer, at, clamped, 1), k)).join(', ')})`,
      );
    });
  })();
  return [...writer.lines, ...names.map((name, i) => `let x${i} = ${name};`)].join('\n');
}

/** Stores four neighbours of a row, as far as they are inside. */
function finishFunction(context: KernelContext, anchor: NodeId, { M, N }: Product, tile: Tile): string {
  const rowInside = M % tile.rows === 0 ? '' : `row < ${M}u`;
  const quads = context.target.quads && N % 4 === 0;
  const inside = (column: string) =>
    [rowInside, N % tile.columns === 0 ? '' : `${column} < ${N}u`].filter((test) => test !== '').join(' && ');
  const guarded = (test: string, body: string) =>
    test === '' ? `{\n${body}\n}` : `if (${test}) {\n${body}\n}`;
  const store = quads
    ? guarded(
        inside('column'),
        `let at = (batch * ${M}u + row) * ${N}u + column;\n${context.store(anchor, 'at', 'result', 4)}`,
      )
    : `for (var i = 0u; i < 4u; i++) {
let own = column + i;
${guarded(inside('own'), `let at = (batch * ${M}u + row) * ${N}u + own;\nlet element = result[i];\n${context.store(anchor, 'at', 'element', 1)}`)}
}`;
  return `fn finish(batch: u32, row: u32, column: u32, result: vec4f) {
${store}
}`;
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
