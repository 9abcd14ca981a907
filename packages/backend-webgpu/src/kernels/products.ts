import { InternalError } from '@kora-bench/core/errors';
import type { GraphNode, NodeId, Program } from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';
import type { Width } from '../wgsl/element-index.js';
import { axesIndex, axesOf, broadcastAxes, flatIndex, hasQuads } from '../wgsl/element-index.js';
import type { ValueWriter } from '../wgsl/value-writer.js';
import type { KernelContext } from './kernel-context.js';

/** One of the two matrices of a product: rows of the left one or columns of the right one, each K long. */
export interface Operand {
  /** Which neighbours lie side by side in memory: the K elements of one line, or one element of each line. */
  readonly along: 'k' | 'lines';
  /** Whether neighbours can be taken four at a time. */
  readonly quads: boolean;
  /**
   * The element of `line` at `k`, of the matrix that WGSL's `batch` has at hand; with width 4 that of four
   * neighbours, the first of which has a number divisible by four.
   */
  element(writer: ValueWriter, line: string, k: string, width: Width): string;
}

/** `left · right`, of which a kernel may add up several. */
export interface Term {
  /** How many products each element of the result adds up. */
  readonly K: number;
  readonly left: Operand;
  readonly right: Operand;
}

/** A batch of sums of matrix products as kernels see it. */
export interface Product {
  /** Rows and columns of each result. */
  readonly M: number;
  readonly N: number;
  /** How many results there are; WGSL names the one at hand `batch`. */
  readonly batch: number;
  readonly terms: readonly Term[];
}

/**
 * What kernels compute a sum of matrix products from.
 * @param terms the products, all with results of one shape
 */
export function productOf(program: Program, terms: readonly NodeId[]): Product {
  const first = program.nodes[terms[0]!]!;
  return {
    M: first.shape.at(-2)!,
    N: first.shape.at(-1)!,
    batch: sizeOf(first.shape.slice(0, -2)),
    terms: terms.map((id) => termOf(program, program.nodes[id]!)),
  };
}

function termOf({ nodes }: Program, { op, inputs, shape }: GraphNode): Term {
  if (op.kind !== 'matmul') throw new InternalError('Not a matrix product.');
  const [a, b] = [nodes[inputs[0]!]!, nodes[inputs[1]!]!];
  return {
    K: a.shape.at(op.transposeA ? -2 : -1)!,
    left: operandOf(a, shape, op.transposeA),
    right: operandOf(b, shape, !op.transposeB),
  };
}

/**
 * One side of a product.
 * @param crossed whether the lines are the columns of `node`
 */
function operandOf(node: GraphNode, result: readonly number[], crossed: boolean): Operand {
  return {
    along: crossed ? 'lines' : 'k',
    quads: hasQuads(node.shape),
    element: (writer, line, k, width) => {
      const matrix = crossed ? [k, line] : [line, k];
      return writer.value(node.id, axesIndex([...entryOf(writer, node, result), ...matrix], width));
    },
  };
}

/** The entry of `operand` that belongs to `batch`, by NumPy's broadcasting. */
function entryOf({ define }: ValueWriter, operand: GraphNode, result: readonly number[]): readonly string[] {
  const entry = axesOf(flatIndex('batch'), result.slice(0, -2), define);
  return broadcastAxes(operand.shape.slice(0, -2), result.slice(0, -2), entry);
}

/** What the best tile of a product depends on, as text: its extents, and how its operands lie in memory. */
export function productKey({ M, N, batch, terms }: Product): string {
  const operand = ({ along, quads }: Operand) => `${along === 'k' ? 'k' : 'l'}${quads ? 4 : 1}`;
  const sums = terms.map(({ K, left, right }) => `${K}${operand(left)}${operand(right)}`);
  return `${batch}x${M}x${N}:${sums.join('+')}`;
}

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
