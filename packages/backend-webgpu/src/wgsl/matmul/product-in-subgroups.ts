import type { NodeId } from '@kora-bench/core';
import type { ValueWriter } from '../value-writer.js';
import type { KernelBody, KernelContext } from '../write-kernel.js';
import type { Operand, Product, Term } from './product.js';

/** Results that a lane can keep in registers. */
const mostResults = 32;
const blocks = [1, 2, 3, 4, 6, 8, 12, 16, 24].flatMap((rows) =>
  [1, 2, 3, 4].map((columns) => ({ rows, columns })),
);

/**
 * Products for software drivers, which load element by element whatever the place, so that a load costs as
 * much as some thirty multiplications: the lanes of a subgroup load different elements of the left rows and
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
  const { rows: rowCount, columns: columnCount } = chooseBlock(product, size);
  const rows = range(rowCount);
  const columns = range(columnCount);
  const cells = rows.flatMap((i) => columns.map((j) => [i, j] as const));
  const lastRow = M % rowCount === 0 ? undefined : M - 1;
  const lastColumn = N % (columnCount * size) === 0 ? undefined : N - 1;
  const clamp = (index: string, last: number | undefined) =>
    last === undefined ? index : `min(${index}, ${last}u)`;
  return {
    declarations: '',
    body: `let batch = group.z;
let firstRow = group.y * ${rowCount}u;
let firstColumn = group.x * ${size * columnCount}u + lane;
${rows.map((i) => `let row${i} = ${clamp(`firstRow + ${i}u`, lastRow)};`).join('\n')}
${columns.map((j) => `let column${j} = ${clamp(`firstColumn + ${j * size}u`, lastColumn)};`).join('\n')}
${cells.map(([i, j]) => `var sum${i}_${j} = 0.0f;`).join('\n')}
${product.terms.map((term) => addTerm(context, term, rows, columns, size)).join('\n')}
${storeAll(context, anchor, product, rows, columns, size, lastRow, lastColumn)}`,
    workgroupSize: size,
    workgroups: [Math.ceil(N / (size * columnCount)), Math.ceil(M / rowCount), batch],
  };
}

/** How many passes through a loop take as long as compiling its code, spread over the runs of a program. */
const passesPerCompilation = 20_000;

/** Fewest loads, those for rows and columns beyond the edges and those that are only compiled included. */
function chooseBlock(
  { M, N, batch, terms }: Product,
  size: number,
): { readonly rows: number; readonly columns: number } {
  const slabs = terms.reduce((sum, { K }) => sum + Math.ceil(K / size), 0);
  const cost = ({ rows, columns }: (typeof blocks)[number]) => {
    const loads = rows + size * columns;
    const passes = Math.ceil(M / rows) * Math.ceil(N / (size * columns)) * batch * slabs;
    return passes * (loads + 0.04 * size * rows * columns) + passesPerCompilation * loads * terms.length;
  };
  return blocks
    .filter(({ rows, columns }) => rows * columns <= mostResults)
    .reduce((best, block) => (cost(block) < cost(best) ? block : best));
}

function addTerm(
  context: KernelContext,
  { K, left, right }: Term,
  rows: readonly number[],
  columns: readonly number[],
  size: number,
): string {
  const ragged = K % size !== 0;
  // Beyond the end both factors are zeros: an infinity of the last element must not meet a zero.
  const load = (writer: ValueWriter, operand: Operand, line: string, k: string) => {
    if (!ragged) return operand.element(writer, line, k, 1);
    const element = operand.element(writer, line, writer.define(`min(${k}, ${K - 1}u)`), 1);
    return writer.define(`select(0.0f, ${element}, ${k} < ${K}u)`);
  };
  const writer = context.writer();
  const own = writer.define('k + lane');
  const parts = rows.map((i) => load(writer, left, `row${i}`, own));
  const steps = range(Math.min(size, K)).map((step) => {
    const block = context.writer();
    const at = block.define(`k + ${step}u`);
    const factors = columns.map((j) => load(block, right, `column${j}`, at));
    const products = rows.flatMap((i) => [
      `{ let x = subgroupBroadcast(${parts[i]!}, ${step}u);`,
      ...columns.map((j) => `sum${i}_${j} = fma(x, ${factors[j]!}, sum${i}_${j});`),
      '}',
    ]);
    return ['{', ...block.lines, ...products, '}'].join('\n');
  });
  return `for (var k = 0u; k < ${K}u; k += ${size}u) {
${[...writer.lines, ...steps].join('\n')}
}`;
}

function storeAll(
  context: KernelContext,
  anchor: NodeId,
  { M, N }: Product,
  rows: readonly number[],
  columns: readonly number[],
  size: number,
  lastRow: number | undefined,
  lastColumn: number | undefined,
): string {
  const cells = rows.flatMap((i) => columns.map((j) => `sum${i}_${j}`));
  const inside = [
    lastRow === undefined ? '' : `row < ${M}u`,
    lastColumn === undefined ? '' : `column < ${N}u`,
  ]
    .filter((test) => test !== '')
    .join(' && ');
  // In a loop, so that what becomes of the results is compiled once.
  return `var results = array<f32, ${cells.length}>(${cells.join(', ')});
for (var r = 0u; r < ${rows.length}u; r++) {
for (var c = 0u; c < ${columns.length}u; c++) {
let row = firstRow + r;
let column = firstColumn + c * ${size}u;
${inside === '' ? '' : `if (${inside}) `}{
let at = (batch * ${M}u + row) * ${N}u + column;
let result = results[r * ${columns.length}u + c];
${context.store(anchor, 'at', 'result', 1)}
}
}
}`;
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
