import type { NodeId } from '@kora-bench/core/graph';
import { range } from '../wgsl/range.js';
import type { KernelBody, KernelContext } from './kernel-context.js';
import type { MatrixUnits } from './kernel-target.js';
import type { Operand, Product } from './products.js';
import { finishFunction, loadBlock } from './products.js';

/** Subgroups of a workgroup, side by side and on top of each other. */
const grid = { down: 2, across: 2 };
/** Matrices of the result that a subgroup holds. */
const held = { down: 4, across: 4 };
/** Elements between the end of a staged line and the next, so that lines start in different banks. */
const gap = 8;

/** What a workgroup computes at once on `units`. */
export function matrixTile({ M, N, K }: MatrixUnits): {
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
} {
  return { rows: grid.down * held.down * M, columns: grid.across * held.across * N, depth: Math.max(32, K) };
}

/** Memory that a workgroup needs on `units`. */
export function matrixBytes(units: MatrixUnits): number {
  const { rows, columns, depth } = matrixTile(units);
  const staged = depth * (rows + columns + 2 * gap) * (units.component === 'f16' ? 2 : 4);
  return staged + 4 * grid.down * grid.across * units.M * units.N;
}

/**
 * Products by the matrix units of a GPU, which work for a whole subgroup: a workgroup stages a slab of both
 * operands in its memory, one k after the other, and each subgroup holds a square of matrices of the result.
 * These can only be stored whole, so they pass through the workgroup's memory to what becomes of each element.
 */
export function productInMatrices(
  context: KernelContext,
  anchor: NodeId,
  product: Product,
  units: MatrixUnits,
): KernelBody {
  const { M, N, K, lanes, component } = units;
  const { rows, columns, depth } = matrixTile(units);
  const workgroupSize = grid.down * grid.across * lanes;
  const down = range(held.down);
  const across = range(held.across);
  const left = `subgroup_matrix_left<${component}, ${K}, ${M}>`;
  const right = `subgroup_matrix_right<${component}, ${N}, ${K}>`;
  const strides = { left: rows + gap, right: columns + gap };
  const steps = range(depth / K).map((step) => {
    const at = (side: 'left' | 'right', line: string) => `${step * K * strides[side]}u + ${line}`;
    const lefts = down.map(
      (i) =>
        `let a${i} = subgroupMatrixLoad<${left}, col_major>(&staged_left, ${at('left', `ownRow + ${i * M}u`)}, ${strides.left}u);`,
    );
    const rights = across.map(
      (j) =>
        `let b${j} = subgroupMatrixLoad<${right}, row_major>(&staged_right, ${at('right', `ownColumn + ${j * N}u`)}, ${strides.right}u);`,
    );
    const products = down.flatMap((i) =>
      across.map((j) => `sum${i}_${j} = subgroupMatrixMultiplyAccumulate(a${i}, b${j}, sum${i}_${j});`),
    );
    return ['{', ...lefts, ...rights, ...products, '}'].join('\n');
  });
  const terms = product.terms.map(
    (term, t) => `for (var k0 = 0u; k0 < ${term.K}u; k0 += ${depth}u) {
stage${t}(lane, batch, firstRow, firstColumn, k0);
workgroupBarrier();
${steps.join('\n')}
workgroupBarrier();
}`,
  );
  const finish = context.scoped('finish');
  const results = down.flatMap((i) =>
    across.map(
      (j) => `subgroupMatrixStore<row_major>(&results, subgroup * ${M * N}u, sum${i}_${j}, ${N}u);
workgroupBarrier();
for (var e = own * 4u; e < ${M * N}u; e += ${4 * lanes}u) {
let at = subgroup * ${M * N}u + e;
let result = vec4f(results[at], results[at + 1u], results[at + 2u], results[at + 3u]);
${finish}(batch, firstRow + ownRow + ${i * M}u + e / ${N}u, firstColumn + ownColumn + ${j * N}u + e % ${N}u, result);
}
workgroupBarrier();`,
    ),
  );
  return {
    declarations: `var<workgroup> staged_left: array<${component}, ${depth * strides.left}>;
var<workgroup> staged_right: array<${component}, ${depth * strides.right}>;
var<workgroup> results: array<f32, ${grid.down * grid.across * M * N}>;
${product.terms.map((_, t) => stageFunction(context, product, t, units)).join('\n')}
${finishFunction(context, anchor, product, { rows, columns })}`,
    body: `let batch = group.z;
let firstRow = group.y * ${rows}u;
let firstColumn = group.x * ${columns}u;
let subgroup = lane / ${lanes}u;
let own = lane % ${lanes}u;
let ownRow = (subgroup / ${grid.across}u) * ${held.down * M}u;
let ownColumn = (subgroup % ${grid.across}u) * ${held.across * N}u;
${down.flatMap((i) => across.map((j) => `var sum${i}_${j} = subgroup_matrix_result<f32, ${N}, ${M}>();`)).join('\n')}
${terms.join('\n')}
${results.join('\n')}`,
    alone: true,
    workgroupSize,
    workgroups: [Math.ceil(product.N / columns), Math.ceil(product.M / rows), product.batch],
  };
}

/** `stage0`, `stage1`, …, for term number `t`: stages a slab of both operands. */
function stageFunction(
  context: KernelContext,
  { M, N, terms }: Product,
  t: number,
  units: MatrixUnits,
): string {
  const { K, left, right } = terms[t]!;
  const { rows, columns, depth } = matrixTile(units);
  const workgroupSize = grid.down * grid.across * units.lanes;
  const stage = (name: 'left' | 'right', operand: Operand, lines: number, extent: number) => {
    const first = name === 'left' ? 'firstRow' : 'firstColumn';
    const [groups, slabs] = [lines / 4, depth / 4];
    const [line, k] =
      operand.along === 'k' ? [`e / ${slabs}u`, `e % ${slabs}u`] : [`e % ${groups}u`, `e / ${groups}u`];
    const stores = range(4).flatMap((i) =>
      range(4).map(
        (j) =>
          `staged_${name}[(k + ${i}u) * ${lines + gap}u + line * 4u + ${j}u] = ${units.component}(x${i}[${j}]);`,
      ),
    );
    return `for (var e = lane; e < ${groups * slabs}u; e += ${workgroupSize}u) {
let line = ${line};
let k = (${k}) * 4u;
${loadBlock(context, operand, { extent, lines, K, depth }, `${first} + line * 4u`)}
${stores.join('\n')}
}`;
  };
  return `fn stage${t}(lane: u32, batch: u32, firstRow: u32, firstColumn: u32, k0: u32) {
${stage('left', left, rows, M)}
${stage('right', right, columns, N)}
}`;
}
