import type { NodeId } from '@kora-bench/core/graph';
import { range } from '../wgsl/range.js';
import type { KernelBody, KernelContext } from './kernel-context.js';
import type { Operand, Product, Slab, Term } from './products.js';
import { finishFunction, loadBlock } from './products.js';

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
 * Products for software drivers, which load lane by lane wherever that is, so that a load costs as much as
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
${product.terms.map((term) => addTerm(context, product, term, { block, size })).join('\n')}
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

/** Adds a product to the sums of a block. */
function addTerm(
  context: KernelContext,
  { M, N }: Product,
  { K, left, right }: Term,
  { block, size }: { readonly block: Block; readonly size: number },
): string {
  const [rows, quads] = [range(block.rows), range(block.quads)];
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

/** So many lines are loaded element by element: with four at a time, most lanes would load what others do. */
const fewLines = 2;

/** The elements of the lines from `firstRow` on at `k0`, …, of which each lane of a subgroup loads some. */
interface LeftElements {
  readonly lines: readonly string[];
  /** The element of a line at `k0 + step`, in every lane. */
  element(line: number, step: number): string;
}

/**
 * Loads the left operand of a pass.
 * @param size lanes of the subgroup, at least as many as `slab.depth`
 */
function leftElements(
  context: KernelContext,
  left: Operand,
  { extent, lines: count, K, depth }: Slab,
  size: number,
): LeftElements {
  const writer = context.writer();
  const quads = left.quads && context.target.quads;
  const near = (index: string, last: number) => writer.define(`min(${index}, ${last}u)`);
  // Beyond the end both factors are zeros: an infinity of the last element must not meet a zero.
  const inside = (x: string, nothing: string, k: string) =>
    K % depth === 0 ? x : writer.define(`select(${nothing}, ${x}, ${k} < ${K}u)`);
  const { lines } = writer;

  if (count <= fewLines) {
    // A lane has one element of each line.
    const k = writer.define(`k0 + lane % ${depth}u`);
    const parts = range(count).map((i) => {
      const line = near(`firstRow + ${i}u`, extent - 1);
      return inside(left.element(writer, line, near(k, K - 1), 1), '0.0f', k);
    });
    return { lines, element: (line, step) => `subgroupBroadcast(${parts[line]!}, ${step}u)` };
  }

  const ks = range(depth).map((step) => writer.define(`k0 + ${step}u`));
  if (quads && left.along === 'lines' && count % 4 === 0) {
    // A lane has four lines at each k.
    const parts = ks.map((k) =>
      range(Math.ceil(count / (4 * size))).map((part) => {
        const line = near(`firstRow + ${4 * size * part}u + lane * 4u`, extent - 4);
        return inside(left.element(writer, line, near(k, K - 1), 4), 'vec4f()', k);
      }),
    );
    const element = (line: number, step: number) => {
      const quad = Math.floor(line / 4);
      return `subgroupBroadcast(${parts[step]![Math.floor(quad / size)]}[${line % 4}], ${quad % size}u)`;
    };
    return { lines, element };
  }

  // A lane has a line of its own.
  const parts = range(Math.ceil(count / size)).map((part) => {
    const line = near(`firstRow + ${size * part}u + lane`, extent - 1);
    if (quads && left.along === 'k') return left.element(writer, line, 'k0', 4);
    const each = ks.map((k) => inside(left.element(writer, line, near(k, K - 1), 1), '0.0f', k));
    return writer.define(`vec4f(${each.join(', ')})`);
  });
  const element = (line: number, step: number) =>
    `subgroupBroadcast(${parts[Math.floor(line / size)]}[${step}], ${line % size}u)`;
  return { lines, element };
}
