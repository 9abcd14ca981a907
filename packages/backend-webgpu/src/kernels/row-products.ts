import { InternalError } from '@kora-bench/core/errors';
import type { GraphNode } from '@kora-bench/core/graph';
import type { Width } from '../wgsl/element-index.js';
import { axesIndex, flatIndex } from '../wgsl/element-index.js';
import { range } from '../wgsl/range.js';
import type { KernelContext } from './kernel-context.js';

/** Products of the rows that a kernel computes with a narrow matrix, `[rows, length] · [length, columns]`. */
export interface RowProduct {
  /** Groups of four numbers that it needs in the memory of the workgroup; see `KernelBody`. */
  readonly staged: number;
  /** Before the loop over a row's elements. */
  readonly start: string;
  /** In the loop, where the row's element `k`, or the first of four, is `given`, with number `at` in all rows. */
  each(given: string): string;
  /** Behind the loop: adds up what the lanes have, and stores the products of row `o`. */
  readonly end: string;
}

/** The loop over the elements of a row that products take part in. */
export interface RowLoop {
  /** The node whose rows they are. */
  readonly rows: GraphNode;
  /** Lanes that share a row. */
  readonly lanes: number;
  /** Elements that a lane takes at once. */
  readonly width: Width;
}

/**
 * Multiplies the rows that a kernel computes by a narrow matrix.
 * @param product a `matmul` whose left operand is computed from the rows, element by element
 */
export function rowProduct(
  context: KernelContext,
  product: GraphNode,
  { rows, lanes, width }: RowLoop,
): RowProduct {
  const { op, inputs, shape } = product;
  if (op.kind !== 'matmul') throw new InternalError('Not a matrix product.');
  const right = context.program.nodes[inputs[1]!]!;
  const columns = shape.at(-1)!;
  const outer = right.shape.slice(2).map(() => '0u');
  const quads = Math.ceil(columns / 4);
  const name = context.names.fresh();
  const sum = (quad: number) => `${name}_${quad}`;

  const each = (given: string) => {
    const writer = context.writer((id) => (id === rows.id ? given : undefined));
    const element = writer.value(inputs[0]!, flatIndex('at', width));
    const ks = range(width).map((i) => (i === 0 ? 'k' : writer.define(`k + ${i}u`)));
    const entry = (k: string, column: number, of: Width) => {
      const at = writer.define(`${column}u`);
      return writer.value(right.id, axesIndex([...outer, ...(op.transposeB ? [at, k] : [k, at])], of));
    };
    const byColumn = (column: number) => {
      if (column >= columns) return '0.0f';
      if (width === 1) return `${element} * ${entry('k', column, 1)}`;
      const factors = op.transposeB
        ? entry('k', column, 4)
        : `vec4f(${ks.map((k) => entry(k, column, 1)).join(', ')})`;
      return `dot(${element}, ${factors})`;
    };
    const byRow = (quad: number) =>
      ks.map((k, i) => {
        const factor = width === 1 ? element : `${element}[${i}]`;
        return `${sum(quad)} = fma(vec4f(${factor}), ${entry(k, 4 * quad, 4)}, ${sum(quad)});`;
      });
    const added = range(quads).flatMap((quad) =>
      // Four columns that lie side by side are read together.
      !op.transposeB && columns % 4 === 0
        ? byRow(quad)
        : [
            `${sum(quad)} += vec4f(${range(4)
              .map((i) => byColumn(4 * quad + i))
              .join(', ')});`,
          ],
    );
    return [...writer.lines, ...added].join('\n');
  };

  const start = range(quads)
    .map((quad) => `var ${sum(quad)} = vec4f();`)
    .join('\n');
  const store = (column: string, value: string) =>
    context.store(product.id, `(o * ${columns}u + ${column})`, value, 1);
  if (lanes === 1) {
    const end = range(columns)
      .map((j) => store(`${j}u`, `${sum(Math.floor(j / 4))}[${j % 4}]`))
      .join('\n');
    return { staged: 0, start, each, end };
  }
  const end = `${range(quads)
    .map((quad) => `staged[${quad * lanes}u + lane] = ${sum(quad)};`)
    .join('\n')}
workgroupBarrier();
for (var half = ${lanes / 2}u; half > 0u; half /= 2u) {
if (lane < half) {
${range(quads)
  .map((quad) => `staged[${quad * lanes}u + lane] += staged[${quad * lanes}u + lane + half];`)
  .join('\n')}
}
workgroupBarrier();
}
if (lane < ${columns}u) {
${store('lane', `staged[lane / 4u * ${lanes}u][lane % 4u]`)}
}`;
  return { staged: quads * lanes, start, each, end };
}
