import { InternalError } from '@kora-bench/core/errors';
import type { NodeId } from '@kora-bench/core/graph';
import { spread } from '../wgsl/kernel-code.js';
import { range } from '../wgsl/range.js';
import type { AttentionScalar, RowDot, Side } from './attention-operands.js';
import { loadQuad, mostColumns, quadsOf } from './attention-operands.js';
import type { OtherRows, OtherRowsSource } from './attention-other-rows.js';
import { rolledLoop, sharedRows, subgroupRows } from './attention-other-rows.js';
import type { KernelBody, KernelContext } from './kernel-context.js';

/** What a kernel of attention computes: for each own row, something of it and all rows of the other side. */
export interface FrameShape {
  /** The node that the kernel computes. */
  readonly node: NodeId;
  readonly heads: number;
  /** How many own rows a head has. */
  readonly rows: number;
  /** Operands whose own row a lane holds: `own0`, and `own1` where there are two. */
  readonly own: readonly Side[];
  /** Numbers of the own row that a lane holds, under `own_` and their name. */
  readonly ownScalars: readonly AttentionScalar[];
  /** Another number of the own row, beside these. */
  readonly ownDot?: RowDot;
  readonly otherRows: number;
  readonly other: readonly [Side, Side];
  readonly otherScalars: readonly AttentionScalar[];
  readonly otherDot?: RowDot;
  /** Which of the other operands is added up, weighted, in `sums`: its columns are the result's. */
  readonly summed: 0 | 1;
}

/** Lanes of a workgroup that uses shared memory. */
const sharedLanes = 64;

/**
 * On a CPU, more own rows per lane mean fewer reads and broadcasts per product, and more code to compile.
 * Lavapipe 25.0.7 on a Xeon, d = e = 64, per core: 1 query makes 9 GFLOP/s and takes 1.1 s to compile,
 * 4 make 15 and take 1.7 s; with three vectors (the adjoint of q), 1, 2 and 4 make 13, 18 and 19 and take
 * 1.0, 1.3 and 2.9 s.
 */
const mostProducts = 512;

/**
 * The frame of all kernels of attention. Each lane owns one row or several, and holds what it needs of
 * them in `own0`, `own1` and `sums` as `vec4f`s, `array<vec4f, rowsPerLane · quads>`.
 */
export class AttentionFrame {
  /** How many rows a lane owns; `r` counts them in the statements below. */
  readonly rowsPerLane: number;
  readonly other: OtherRows;
  readonly #context: KernelContext;
  readonly #shape: FrameShape;
  readonly #lanes: number;
  readonly #lanesPerRow: number;
  readonly #unrolled: boolean;

  constructor(context: KernelContext, shape: FrameShape, source: OtherRowsSource) {
    const { own, other, otherRows, otherScalars, otherDot, summed } = shape;
    const otherSide = { rows: otherRows, sides: other, scalars: otherScalars, dot: otherDot };
    const vectors = [...own, other[summed]];
    if (vectors.some(({ columns }) => columns > mostColumns))
      throw new InternalError(`Attention kernels take at most ${mostColumns} columns.`);
    this.#context = context;
    this.#shape = shape;
    // Registers cannot be indexed at run time: where there are some, all indices must be constants. Drivers
    // on a CPU keep arrays on the stack, and compile loops over them many times faster than their unrolling.
    this.#unrolled = source.kind === 'shared';
    if (source.kind === 'shared') {
      this.#lanes = sharedLanes;
      this.#lanesPerRow = source.lanesPerRow;
      this.rowsPerLane = 1;
      this.other = sharedRows(context, otherSide, {
        lanes: sharedLanes,
        lanesPerRow: source.lanesPerRow,
      });
    } else {
      this.#lanes = source.size;
      this.#lanesPerRow = 1;
      const products = vectors.reduce((sum, side) => sum + 4 * quadsOf(side), 0);
      const worthwhile = Math.max(1, Math.floor(mostProducts / products));
      this.rowsPerLane = Math.min(4, worthwhile, Math.ceil(shape.rows / source.size));
      this.other = subgroupRows(context, otherSide, source.size);
    }
  }

  /** Statements for each `name` below `count`, which is constant where registers need it. */
  repeat(name: string, count: number, statements: string): string {
    if (!this.#unrolled) return rolledLoop(name, count, statements);
    return range(count)
      .map((i) => `{\nconst ${name} = ${i}u;\n${statements}\n}`)
      .join('\n');
  }

  /** Statements that define `name0`, `name1`, … as `own · other` of each row; both operands count from `side`. */
  dot(name: string, side: 0 | 1): string {
    const quads = this.#quads(this.#shape.other[side]);
    const rows = range(this.rowsPerLane);
    const partial = rows.map((r) => `var ${name}Parts${r} = vec4f();`);
    const products = range(quads).map((c) => {
      const fused = rows.map(
        (r) => `${name}Parts${r} = fma(own${side}[${r * quads + c}], quad, ${name}Parts${r});`,
      );
      return `{\nlet quad = ${this.other.quad(side, c)};\n${fused.join('\n')}\n}`;
    });
    const totals = rows.map((r) => {
      const parts = `${name}Parts${r}`;
      const total = `var ${name}${r} = (${parts}.x + ${parts}.y) + (${parts}.z + ${parts}.w);`;
      return [total, ...this.#addNeighbours(`${name}${r}`)].join('\n');
    });
    return [...partial, ...products, ...totals].join('\n');
  }

  /**
   * Statements that add the other row to `sums`, multiplied by `weight0`, `weight1`, …
   * @param factor name of `factor0`, `factor1`, …, mostly 1, that multiply what the sums were before
   */
  accumulate(weight: string, factor?: string): string {
    const { summed, other } = this.#shape;
    const quads = this.#quads(other[summed]);
    const rows = range(this.rowsPerLane);
    // Drivers on a CPU compute both sides of every branch.
    const branch = factor !== undefined && this.#unrolled;
    const rescaled = (r: number) => {
      const products = range(quads).map((c) => `sums[${r * quads + c}] *= ${factor}${r};`);
      return `if (${factor}${r} != 1.0f) {\n${products.join('\n')}\n}`;
    };
    const products = range(quads).map((c) => {
      const fused = rows.map((r) => {
        const sum = `sums[${r * quads + c}]`;
        const before = factor === undefined || branch ? sum : `${sum} * ${factor}${r}`;
        return `${sum} = fma(vec4f(${weight}${r}), quad, ${before});`;
      });
      return `{\nlet quad = ${this.other.quad(summed, c)};\n${fused.join('\n')}\n}`;
    });
    return [...(branch ? rows.map(rescaled) : []), ...products].join('\n');
  }

  /**
   * The kernel.
   * @param before statements before the loop over the other rows
   * @param each statements for each of the other rows
   * @param after statements for each own row `r`, in which `row` is its number; `part` is 0 in its first lane
   * @param result the result's `vec4f` from `sum`, in the scope of `r`
   */
  body(before: string, each: string, after: string, result: string): KernelBody {
    const { heads, rows, own, ownScalars, ownDot, other, summed } = this.#shape;
    const rowsPerPass = this.#lanes / this.#lanesPerRow;
    const blocks = Math.ceil(rows / (rowsPerPass * this.rowsPerLane));
    const workgroups = spread(blocks * heads);
    const target = other[summed];
    const quads = this.#quads(target);
    const declared = [...own.map((side, i) => [`own${i}`, side] as const), ['sums', target] as const];
    const row = `firstRow + r * ${rowsPerPass}u`;
    const storeQuad = `let sum = sums[r * ${quads}u + c];
let result = ${result};
${this.#storeQuad(target)}`;
    return {
      declarations: '',
      staged: this.other.staged,
      body: `let block = group.y * ${workgroups[0]}u + group.x;
${workgroups[0] * workgroups[1] === blocks * heads ? '' : `if (block >= ${blocks * heads}u) { return; }`}
let head = block / ${blocks}u;
let firstRow = (block % ${blocks}u) * ${rowsPerPass * this.rowsPerLane}u + lane / ${this.#lanesPerRow}u;
let part = lane % ${this.#lanesPerRow}u;
${declared.map(([name, side]) => `var ${name}: array<vec4f, ${this.rowsPerLane * this.#quads(side)}>;`).join('\n')}
${[...ownScalars, ...(ownDot === undefined ? [] : [ownDot])].map(({ name }) => `var own_${name}: array<f32, ${this.rowsPerLane}>;`).join('\n')}
${this.repeat('r', this.rowsPerLane, `let row = min(${row}, ${rows - 1}u);\n${this.#loadOwn()}`)}
${before}
${this.other.forEach(each)}
${this.repeat(
  'r',
  this.rowsPerLane,
  `let row = ${row};
if (row < ${rows}u) {
${after}
${this.repeat('c', quads, storeQuad)}
}`,
)}`,
      workgroupSize: this.#lanes,
      workgroups,
    };
  }

  /** How many quads of a row a lane works on. */
  #quads(side: Side): number {
    return quadsOf(side, this.#lanesPerRow) / this.#lanesPerRow;
  }

  /** Statements that store `result`, as far as its columns are inside. */
  #storeQuad({ columns }: Side): string {
    const { node, rows } = this.#shape;
    const context = this.#context;
    const first = `4u * (c * ${this.#lanesPerRow}u + part)`;
    const flat = (column: string) => `(head * ${rows}u + row) * ${columns}u + ${column}`;
    if (columns % 4 === 0 && context.target.quads)
      return `let column = ${first};
if (column < ${columns}u) {
let flat = ${flat('column')};
${context.store(node, 'flat', 'result', 4)}
}`;
    const storeElement = `let column = ${first} + i;
if (column < ${columns}u) {
let flat = ${flat('column')};
let element = result[i];
${context.store(node, 'flat', 'element', 1)}
}`;
    return this.#unrolled
      ? `for (var i = 0u; i < 4u; i++) {\n${storeElement}\n}`
      : rolledLoop('i', 4, storeElement);
  }

  #loadOwn(): string {
    const { rows, own, ownScalars, ownDot } = this.#shape;
    const vectors = own.map((side, i) => {
      const quads = this.#quads(side);
      const writer = this.#context.writer();
      const number = writer.define(`c * ${this.#lanesPerRow}u + part`);
      const quad = loadQuad(writer, side, { row: 'row', quad: number, quads: quads * this.#lanesPerRow });
      return this.repeat('c', quads, `${writer.lines.join('\n')}\nown${i}[r * ${quads}u + c] = ${quad};`);
    });
    const writer = this.#context.writer();
    const scalars = ownScalars.map((scalar) => {
      const value = scalar.element(writer, writer.define(`head * ${rows}u + row`));
      return `own_${scalar.name}[r] = ${value};`;
    });
    const dots = ownDot === undefined ? [] : [this.#ownDot(ownDot)];
    return [...vectors, ...writer.lines, ...scalars, ...dots].join('\n');
  }

  #ownDot({ name, side }: RowDot): string {
    const quads = this.#quads(side);
    const writer = this.#context.writer();
    const number = writer.define(`c * ${this.#lanesPerRow}u + part`);
    const quad = loadQuad(writer, side, { row: 'row', quad: number, quads: quads * this.#lanesPerRow });
    const add = `products = fma(own1[r * ${quads}u + c], ${quad}, products);`;
    return `var products = vec4f();
${this.repeat('c', quads, `${writer.lines.join('\n')}\n${add}`)}
var ${name} = dot(products, vec4f(1.0f));
${this.#addNeighbours(name).join('\n')}
own_${name}[r] = ${name};`;
  }

  /** Statements that add up `name` over the lanes that share a row. */
  #addNeighbours(name: string): string[] {
    const distances = [1, 2].filter((distance) => distance < this.#lanesPerRow);
    return distances.map((distance) => `${name} += subgroupShuffleXor(${name}, ${distance}u);`);
  }
}
