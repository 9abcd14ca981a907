import type { Product } from './matmul.js';
import { ValueWriter } from './value-writer.js';
import type { KernelBody, KernelContext } from './write-kernel.js';

/** Lanes of a workgroup, side by side along the columns. */
const lanes = 8;

/**
 * Products straight from the buffers, for devices without fast shared memory (software drivers on a CPU):
 * each lane holds up to 8 × 4 results in registers, and all lanes read the same rows of the left operand.
 */
export function directProduct(context: KernelContext, product: Product): KernelBody {
  const { M, N, K, batch } = product;
  const rows = range(Math.min(8, M));
  const columns = range(Math.min(4, Math.ceil(N / lanes)));
  const writer = new ValueWriter(context);
  const left = rows.map((i) => product.left(writer, `row${i}`, 'k'));
  const right = columns.map((j) => product.right(writer, 'k', `column${j}`));
  const cells = rows.flatMap((i) => columns.map((j) => [i, j] as const));
  return {
    declarations: '',
    body: `let batch = group.z;
let firstRow = group.y * ${rows.length}u;
let firstColumn = group.x * ${lanes * columns.length}u + lane;
${rows.map((i) => `let row${i} = min(firstRow + ${i}u, ${M - 1}u);`).join('\n')}
${columns.map((j) => `let column${j} = min(firstColumn + ${j * lanes}u, ${N - 1}u);`).join('\n')}
${cells.map(([i, j]) => `var sum${i}_${j} = 0.0f;`).join('\n')}
for (var k = 0u; k < ${K}u; k++) {
${writer.lines.join('\n')}
${cells.map(([i, j]) => `sum${i}_${j} = fma(${left[i]!}, ${right[j]!}, sum${i}_${j});`).join('\n')}
}
var results = array<f32, ${cells.length}>(${cells.map(([i, j]) => `sum${i}_${j}`).join(', ')});
for (var r = 0u; r < ${rows.length}u; r++) {
for (var c = 0u; c < ${columns.length}u; c++) {
let row = firstRow + r;
let column = firstColumn + c * ${lanes}u;
if (row < ${M}u && column < ${N}u) {
let flat = (batch * ${M}u + row) * ${N}u + column;
let result = results[r * ${columns.length}u + c];
${context.store('flat', 'result')}
}
}
}`,
    workgroupSize: lanes,
    workgroups: [Math.ceil(N / (lanes * columns.length)), Math.ceil(M / rows.length), batch],
  };
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
