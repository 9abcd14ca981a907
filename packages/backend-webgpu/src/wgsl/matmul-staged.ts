import type { Product } from './matmul.js';
import { ValueWriter } from './value-writer.js';
import type { KernelBody, KernelContext } from './write-kernel.js';

/** Elements of the result per workgroup and per lane, and how many products are staged at once. */
interface Tile {
  readonly rows: number;
  readonly columns: number;
  readonly perLane: number;
  readonly depth: number;
}

const wide: Tile = { rows: 64, columns: 64, perLane: 4, depth: 16 };
const narrow: Tile = { rows: 16, columns: 16, perLane: 1, depth: 16 };

/** Products in tiles that a workgroup stages in its shared memory, for GPUs; each lane keeps its results in registers. */
export function stagedProduct(context: KernelContext, product: Product): KernelBody {
  const { M, N, K, batch } = product;
  const tile = M > 32 && N > 32 ? wide : narrow;
  const { rows, columns, perLane, depth } = tile;
  const across = columns / perLane;
  const workgroupSize = (rows / perLane) * across;
  const each = Array.from({ length: perLane }, (_, i) => i);
  const cells = each.flatMap((i) => each.map((j) => [i, j] as const));
  const stage = (name: string, extent: number, first: string, limit: number, load: Load) => {
    const writer = new ValueWriter(context);
    const element = load(writer);
    return `for (var e = lane; e < ${extent * depth}u; e += ${workgroupSize}u) {
let x = ${first} + e / ${depth}u;
let k = k0 + e % ${depth}u;
var staged = 0.0f;
if (x < ${limit}u && k < ${K}u) {
${writer.lines.join('\n')}
staged = ${element};
}
${name}[(e % ${depth}u) * ${extent}u + e / ${depth}u] = staged;
}`;
  };
  return {
    declarations: `var<workgroup> left: array<f32, ${rows * depth}>;
var<workgroup> right: array<f32, ${columns * depth}>;`,
    body: `let batch = group.z;
let firstRow = group.y * ${rows}u;
let firstColumn = group.x * ${columns}u;
let laneRow = (lane / ${across}u) * ${perLane}u;
let laneColumn = (lane % ${across}u) * ${perLane}u;
${cells.map(([i, j]) => `var sum${i}_${j} = 0.0f;`).join('\n')}
for (var k0 = 0u; k0 < ${K}u; k0 += ${depth}u) {
${stage('left', rows, 'firstRow', M, (writer) => product.left(writer, 'x', 'k'))}
${stage('right', columns, 'firstColumn', N, (writer) => product.right(writer, 'k', 'x'))}
workgroupBarrier();
for (var k = 0u; k < ${depth}u; k++) {
${each.map((i) => `let a${i} = left[k * ${rows}u + laneRow + ${i}u];`).join('\n')}
${each.map((j) => `let b${j} = right[k * ${columns}u + laneColumn + ${j}u];`).join('\n')}
${cells.map(([i, j]) => `sum${i}_${j} = fma(a${i}, b${j}, sum${i}_${j});`).join('\n')}
}
workgroupBarrier();
}
${cells
  .map(
    ([i, j]) => `{
let row = firstRow + laneRow + ${i}u;
let column = firstColumn + laneColumn + ${j}u;
if (row < ${M}u && column < ${N}u) {
let flat = (batch * ${M}u + row) * ${N}u + column;
${context.store('flat', `sum${i}_${j}`)}
}
}`,
  )
  .join('\n')}`,
    workgroupSize,
    workgroups: [Math.ceil(N / columns), Math.ceil(M / rows), batch],
  };
}

type Load = (writer: ValueWriter) => string;
