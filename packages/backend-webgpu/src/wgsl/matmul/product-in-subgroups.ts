import type { NodeId } from '@kora-bench/core';
import type { KernelBody, KernelContext } from '../write-kernel.js';
import { finishFunction } from './finish-function.js';
import { loadBlock } from './load-block.js';
import type { Product, Term } from './product.js';

/** Part of a result that a subgroup computes: some rows, and for each lane some groups of four columns. */
interface Block {
  readonly rows: number;
  readonly quads: number;
}

const blocks: readonly Block[] = [1, 2, 3, 4, 6, 8, 12, 16].flatMap((rows) =>
  [1, 2, 4].map((quads) => ({ rows, quads })),
);
/** Results that a lane can keep in registers. */
const mostResults = 32;
/** How many passes through a loop take as long as compiling its code, spread over the runs of a program. */
const passesPerCompilation = 20_000;

/**
 * Products for software drivers, which load lane by lane whatever the place, so that a load costs as much as
 * some tens of multiplications: the lanes of a subgroup load different elements of the left rows and
 * broadcast them to each other, while each keeps the columns of its own.
 * @param size lanes of a subgroup
 */
export function productInSubgroups(
  context: KernelContext,
  anchor: NodeId,
  product: Product,
  size: number,
): KernelBody {
  const { M, N, batch } = product;
  const block = chooseBlock(product, size);
  const [rows, quads] = [range(block.rows), range(block.quads)];
  const tile = { rows: block.rows, columns: 4 * size * block.quads };
  const lastRow = M % block.rows === 0 ? undefined : M - 1;
  const finish = context.scoped('finish');
  const cells = rows.flatMap((i) => quads.map((q) => `sum${i}_${q}`));
  return {
    declarations: finishFunction(context, anchor, product, tile),
    body: `let batch = group.z;
let firstRow = group.y * ${tile.rows}u;
let firstColumn = group.x * ${tile.columns}u + lane * 4u;
${rows.map((i) => `let row${i} = ${lastRow === undefined ? `firstRow + ${i}u` : `min(firstRow + ${i}u, ${lastRow}u)`};`).join('\n')}
${cells.map((cell) => `var ${cell} = vec4f();`).join('\n')}
${product.terms.map((term) => addTerm(context, product, term, rows, quads, size)).join('\n')}
var results = array<vec4f, ${cells.length}>(${cells.join(', ')});
for (var r = 0u; r < ${rows.length}u; r++) {
for (var q = 0u; q < ${quads.length}u; q++) {
${finish}(batch, firstRow + r, firstColumn + q * ${4 * size}u, results[r * ${quads.length}u + q]);
}
}`,
    workgroupSize: size,
    workgroups: [Math.ceil(N / tile.columns), Math.ceil(M / tile.rows), batch],
  };
}

/** Fewest loads, those for rows and columns beyond the edges and those that are only compiled included. */
function chooseBlock({ M, N, batch, terms }: Product, size: number): Block {
  const slabs = terms.reduce((sum, { K }) => sum + Math.ceil(K / size), 0);
  const cost = ({ rows, quads }: Block) => {
    // Four elements side by side are loaded in about twice the time of one.
    const loads = rows + 2 * size * quads;
    const passes = Math.ceil(M / rows) * Math.ceil(N / (4 * size * quads)) * batch * slabs;
    return passes * (loads + 0.16 * size * rows * quads) + passesPerCompilation * loads * terms.length;
  };
  return blocks
    .filter(({ rows, quads }) => 4 * rows * quads <= mostResults)
    .reduce((best, block) => (cost(block) < cost(best) ? block : best));
}

/** Adds a product to the sums, as many elements of K at a time as a subgroup has lanes. */
function addTerm(
  context: KernelContext,
  { N }: Product,
  { K, left, right }: Term,
  rows: readonly number[],
  quads: readonly number[],
  size: number,
): string {
  const writer = context.writer();
  const own = writer.define('k0 + lane');
  const parts = rows.map((i) => {
    if (K % size === 0) return left.element(writer, `row${i}`, own, 1);
    // Beyond the end both factors are zeros: an infinity of the last element must not meet a zero.
    const element = left.element(writer, `row${i}`, writer.define(`min(${own}, ${K - 1}u)`), 1);
    return writer.define(`select(0.0f, ${element}, ${own} < ${K}u)`);
  });
  const slab = { extent: N, lines: 4 * size * quads.length, K, depth: size };
  const steps = range(Math.ceil(Math.min(size, K) / 4)).flatMap((group) =>
    quads.map((q) => {
      const products = range(4).flatMap((step) =>
        rows.map(
          (i) =>
            `sum${i}_${q} = fma(vec4f(subgroupBroadcast(${parts[i]!}, ${4 * group + step}u)), x${step}, sum${i}_${q});`,
        ),
      );
      return `{
let k = ${4 * group}u;
${loadBlock(context, right, slab, `firstColumn + ${4 * size * q}u`)}
${products.join('\n')}
}`;
    }),
  );
  return `for (var k0 = 0u; k0 < ${K}u; k0 += ${size}u) {
${[...writer.lines, ...steps].join('\n')}
}`;
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
