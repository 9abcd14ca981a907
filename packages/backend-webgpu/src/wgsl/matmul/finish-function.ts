import type { NodeId } from '@kora-bench/core';
import type { KernelContext } from '../write-kernel.js';
import type { Product } from './product.js';

/** `finish(batch, row, column, result)` stores four neighbours of a row, as far as they are inside. */
export function finishFunction(
  context: KernelContext,
  anchor: NodeId,
  { M, N }: Product,
  tile: { readonly rows: number; readonly columns: number },
): string {
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
  return `fn ${context.scoped('finish')}(batch: u32, row: u32, column: u32, result: vec4f) {
${store}
}`;
}
