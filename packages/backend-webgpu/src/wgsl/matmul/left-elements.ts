import { range } from '../range.js';
import type { KernelContext } from '../write-kernel.js';
import type { Slab } from './load-block.js';
import type { Operand } from './product.js';

/** So many lines are loaded element by element: with four at a time, most lanes would load what others do. */
export const fewLines = 2;

/** The elements of the lines from `firstRow` on at `k0`, …, of which each lane of a subgroup loads some. */
export interface LeftElements {
  readonly lines: readonly string[];
  /** The element of a line at `k0 + step`, in every lane. */
  element(line: number, step: number): string;
}

/** @param size lanes of the subgroup, at least as many as `slab.depth` */
export function leftElements(
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
