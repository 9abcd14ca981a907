import type { NodeId } from '@kora-bench/core';
import { range } from '../range.js';
import type { KernelBody, KernelContext } from '../write-kernel.js';
import { finishFunction } from './finish-function.js';
import { fewLines, leftElements } from './left-elements.js';
import { loadBlock } from './load-block.js';
import type { Product, Term } from './product.js';

/** Part of a result that a subgroup computes: some rows, and for each lane some groups of four columns. */
interface Block {
  readonly rows: number;
  readonly quads: number;
}

const blocks: readonly Block[] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32].flatMap((rows) =>
  [1, 2, 4].map((quads) => ({ rows, quads })),
);
/** Results of a lane. More do not fit the caches, and neither does the code. */
const mostResults = 128;
/** How far along K a pass through the loop goes. */
const depth = 4;
/** Smaller subgroups cannot hold what a pass takes of a row. */
export const smallestSubgroup = depth;
/** Rows whose sums stay in registers while a pass adds to them. */
const rowsAtOnce = 4;
/** Machine instructions, about, that lavapipe makes of four elements loaded by one lane, of one, and of a product. */
const loadLength = 55;
const singleLength = 20;
const productLength = 4;
/** How many passes through a loop take as long as compiling its code, spread over the runs of a program. */
const passesPerCompilation = 2000;

/**
 * Products for software drivers, which load lane by lane whatever the place, so that a load costs as much as
 * some tens of multiplications: each lane loads elements of the left rows, which the lanes broadcast to each
 * other, and keeps the columns of its own. Lavapipe 25.0.7 on a Xeon of two cores, 512³: at best 6.5 ms in
 * blocks of 32 rows, 12 ms in blocks of 8 whose left elements are loaded one by one.
 * @param size lanes of a subgroup, at least `smallestSubgroup`
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
  const finish = context.scoped('finish');
  const cells = rows.flatMap((i) => quads.map((q) => `sum${i}_${q}`));
  return {
    declarations: finishFunction(context, anchor, product, tile),
    body: `let batch = group.z;
let firstRow = group.y * ${tile.rows}u;
let firstColumn = group.x * ${tile.columns}u + lane * 4u;
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

/** Fewest instructions, those for rows and columns beyond the edges and those that are only compiled included. */
function chooseBlock({ M, N, batch, terms }: Product, size: number): Block {
  const passesPerBlock = terms.reduce((sum, { K }) => sum + Math.ceil(K / depth), 0);
  const cost = ({ rows, quads }: Block) => {
    const left = rows <= fewLines ? singleLength * rows : loadLength * Math.ceil(rows / size);
    const loads = size * (left + loadLength * depth * quads);
    const length = loads + productLength * 4 * depth * rows * quads;
    const passes = Math.ceil(M / rows) * Math.ceil(N / (4 * size * quads)) * batch * passesPerBlock;
    return (passes + passesPerCompilation * terms.length) * length;
  };
  return blocks
    .filter(({ rows, quads }) => 4 * rows * quads <= mostResults)
    .reduce((best, block) => (cost(block) < cost(best) ? block : best));
}

/** Adds a product to the sums. */
function addTerm(
  context: KernelContext,
  { M, N }: Product,
  { K, left, right }: Term,
  rows: readonly number[],
  quads: readonly number[],
  size: number,
): string {
  const steps = range(depth);
  const slab = { extent: N, lines: 4 * size * quads.length, K, depth };
  const loads = quads.map(
    (q) => `{
let k = 0u;
${loadBlock(context, right, slab, `firstColumn + ${4 * size * q}u`)}
${steps.map((step) => `right${step}_${q} = x${step};`).join('\n')}
}`,
  );
  const declared = steps.flatMap((step) => quads.map((q) => `var right${step}_${q}: vec4f;`));
  const taken = { extent: M, lines: rows.length, K, depth };
  const { lines, element } = leftElements(context, left, taken, size);
  const products = range(Math.ceil(rows.length / rowsAtOnce)).flatMap((group) =>
    steps.flatMap((step) =>
      rows.slice(rowsAtOnce * group, rowsAtOnce * (group + 1)).flatMap((i) => {
        const factor = `vec4f(${element(i, step)})`;
        return quads.map((q) => `sum${i}_${q} = fma(${factor}, right${step}_${q}, sum${i}_${q});`);
      }),
    ),
  );
  return `for (var k0 = 0u; k0 < ${K}u; k0 += ${depth}u) {
${[...declared, ...loads, ...lines, ...products].join('\n')}
}`;
}
