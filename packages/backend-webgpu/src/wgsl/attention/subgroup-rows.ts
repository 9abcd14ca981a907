import type { KernelContext } from '../write-kernel.js';
import type { Side } from './load-quad.js';
import { loadQuad, quadsOf } from './load-quad.js';
import type { OtherRows, OtherSide } from './other-rows.js';
import { rolledLoop } from './rolled-loop.js';

/**
 * Rows through subgroups: lane l reads the quads l, l + size, … of a row, and all lanes get them from
 * there. Needs neither shared memory nor barriers.
 */
export function subgroupRows(
  context: KernelContext,
  { rows, sides, scalars, dot }: OtherSide,
  size: number,
): OtherRows {
  const writer = context.writer();
  const partsOf = (side: Side) => {
    const quads = quadsOf(side);
    const count = Math.ceil(quads / size);
    return Array.from({ length: count }, (_, i) => {
      const quad = writer.define(`${i * size}u + lane`);
      return writer.define(loadQuad(writer, side, 'other', quad, count * size));
    });
  };
  const parts = sides.map(partsOf);
  const values = new Map(
    scalars.map(
      ({ name, element }) => [name, element(writer, writer.define(`head * ${rows}u + other`))] as const,
    ),
  );
  if (dot !== undefined) {
    const products = partsOf(dot.side).map((part, i) => `dot(${part}, ${parts[1]![i]})`);
    values.set(dot.name, writer.define(`subgroupAdd(${products.join(' + ')})`));
  }
  return {
    staged: 0,
    forEach: (statements) => rolledLoop('other', rows, `${writer.lines.join('\n')}\n${statements}`),
    quad: (side, index) => `subgroupBroadcast(${parts[side]![Math.floor(index / size)]!}, ${index % size}u)`,
    scalar: (name) => values.get(name)!,
  };
}
