import type { KernelContext } from '../write-kernel.js';
import type { Operand } from './product.js';

/** What of an operand a workgroup stages at once. */
export interface Slab {
  /** Lines of the operand, and how many of them are staged. */
  readonly extent: number;
  readonly lines: number;
  /** Length of the lines, and how much of it is staged. */
  readonly K: number;
  readonly depth: number;
}

/**
 * Statements for `x0` … `x3`, `vec4f`s of the elements of four lines from `first` on at `k0 + k`, `k0 + k + 1`,
 * `k0 + k + 2` and `k0 + k + 3`; zeros beyond the end of the lines.
 */
export function loadBlock(
  context: KernelContext,
  operand: Operand,
  { extent, lines, K, depth }: Slab,
  first: string,
): string {
  const writer = context.writer();
  const whole = { lines: extent % lines === 0, k: K % depth === 0 };
  const clamp = (index: string, last: number, safe: boolean) =>
    writer.define(safe ? index : `min(${index}, ${last}u)`);
  const inside = (x: string, nothing: string, k: string) =>
    whole.k ? x : writer.define(`select(${nothing}, ${x}, ${k} < ${K}u)`);
  const start = writer.define(first);
  const k0 = writer.define('k0 + k');
  const four = [0, 1, 2, 3];

  const byLines = () => {
    const line = clamp(start, extent - 4, whole.lines);
    return four.map((i) => {
      const k = writer.define(`${k0} + ${i}u`);
      return inside(operand.element(writer, line, clamp(k, K - 1, whole.k), 4), 'vec4f()', k);
    });
  };
  const alongK = () => {
    const k = clamp(k0, K - 4, whole.k);
    const rows = four.map((i) => {
      const line = clamp(`${start} + ${i}u`, extent - 1, whole.lines);
      return inside(operand.element(writer, line, k, 4), 'vec4f()', k0);
    });
    const turned = writer.define(`transpose(mat4x4f(${rows.join(', ')}))`);
    return four.map((i) => `${turned}[${i}]`);
  };
  const oneByOne = () => {
    const line = four.map((i) => clamp(`${start} + ${i}u`, extent - 1, whole.lines));
    return four.map((i) => {
      const k = writer.define(`${k0} + ${i}u`);
      const near = clamp(k, K - 1, whole.k);
      const elements = line.map((at) => inside(operand.element(writer, at, near, 1), '0.0f', k));
      return writer.define(`vec4f(${elements.join(', ')})`);
    });
  };
  const quads = operand.quads && context.target.quads;
  const columns = !quads ? oneByOne() : operand.along === 'lines' ? byLines() : alongK();
  return [...writer.lines, ...columns.map((column, i) => `let x${i} = ${column};`)].join('\n');
}
