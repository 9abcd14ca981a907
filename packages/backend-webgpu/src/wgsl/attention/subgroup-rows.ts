import type { KernelContext } from '../write-kernel.js';
import type { AttentionScalar } from './attention-problem.js';
import type { Side } from './load-quad.js';
import { loadQuad, quadsOf } from './load-quad.js';
import type { OtherRows } from './other-rows.js';
import { rolledLoop } from './rolled-loop.js';

/**
 * Rows through subgroups: lane l reads the quads l, l + size, … of a row, and all lanes get them from
 * there. Needs neither shared memory nor barriers.
 */
export function subgroupRows(
  context: KernelContext,
  rows: number,
  sides: readonly [Side, Side],
  scalars: readonly AttentionScalar[],
  size: number,
): OtherRows {
  const writer = context.writer();
  const parts = sides.map((side) => {
    const quads = quadsOf(side);
    const count = Math.ceil(quads / size);
    return Array.from({ length: count }, (_, i) => {
      const quad = writer.define(`${i * size}u + lane`);
      return writer.define(loadQuad(writer, side, 'other', quad, count * size));
    });
  });
  const values = new Map(
    scalars.map(
      ({ name, element }) => [name, element(writer, writer.define(`head * ${rows}u + other`))] as const,
    ),
  );
  return {
    staged: 0,
    forEach: (statements) => rolledLoop('other', rows, `${writer.lines.join('\n')}\n${statements}`),
    quad: (side, index) => `subgroupBroadcast(${parts[side]![Math.floor(index / size)]!}, ${index % size}u)`,
    scalar: (name) => values.get(name)!,
  };
}
