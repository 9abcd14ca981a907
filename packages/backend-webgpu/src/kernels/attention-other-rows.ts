import { range } from '../wgsl/range.js';
import type { AttentionScalar, RowDot, Side } from './attention-operands.js';
import { loadQuad, quadsOf } from './attention-operands.js';
import type { KernelContext } from './kernel-context.js';

/**
 * How the rows of the other side reach the lanes, which all need the same row at the same time.
 * `shared`, for GPUs: tiles of rows in the memory of the workgroup; `lanesPerRow` neighbouring lanes share
 * one of their own rows, so that fewer registers are needed and more lanes have work; more than 1 needs
 * subgroups of at least as many lanes, whose lanes are neighbours.
 * `subgroup`, for software drivers, where shared memory is no faster than a buffer: a workgroup is one
 * subgroup of exactly `size` lanes, each lane reads a part of the row and broadcasts it.
 */
export type OtherRowsSource =
  | { readonly kind: 'shared'; readonly lanesPerRow: 1 | 2 | 4 }
  | { readonly kind: 'subgroup'; readonly size: number };

/** The rows of the other side and what is read with each. */
export interface OtherSide {
  readonly rows: number;
  readonly sides: readonly [Side, Side];
  readonly scalars: readonly AttentionScalar[];
  readonly dot?: RowDot | undefined;
}

/** Gives a kernel the rows of the other side, one after the other. */
export interface OtherRows {
  /** Groups of four numbers that they need in the memory of a workgroup; see `KernelBody`. */
  readonly staged: number;
  /** Runs `statements` for each row; within them, `quad` and `scalar` are of that row. */
  forEach(statements: string): string;
  /**
   * A `vec4f` of the row.
   * @param side which of the operands
   * @param index which of the quads that this lane works on
   */
  quad(side: 0 | 1, index: number): string;
  /** The row's number, of a scalar or the dot, by its name. */
  scalar(name: string): string;
}

/** Bytes of shared memory for a tile: half of what every device has, so that two workgroups fit. */
const tileBytes = 8192;
const mostRows = 32;
/** Lanes that share the work of one row's dot. */
const lanesPerDot = 4;

/** Rows in tiles that a workgroup of `lanes` lanes stages in its shared memory. */
export function sharedRows(
  context: KernelContext,
  { rows, sides, scalars, dot }: OtherSide,
  { lanes, lanesPerRow }: { readonly lanes: number; readonly lanesPerRow: number },
): OtherRows {
  const quads = sides.map((side) => quadsOf(side, lanesPerRow));
  const rowBytes = 16 * (quads[0]! + quads[1]!);
  const height = Math.max(1, Math.min(mostRows, rows, Math.floor(tileBytes / rowBytes)));
  // One operand after the other, then the numbers, each at the head of a group of four, then parts of the dots.
  const starts = [0, height * quads[0]!, height * (quads[0]! + quads[1]!)];
  const dotStart = starts[2]! + height * scalars.length;
  const startOf = (name: string) => starts[2]! + height * scalars.findIndex((scalar) => scalar.name === name);
  const stageSide = (side: Side, i: number) => {
    const writer = context.writer();
    const quad = loadQuad(writer, side, { row: 'other', quad: 'quad', quads: quads[i]! });
    return `for (var slot = lane; slot < ${height * quads[i]!}u; slot += ${lanes}u) {
let other = min(firstOther + slot / ${quads[i]}u, ${rows - 1}u);
let quad = slot % ${quads[i]}u;
${writer.lines.join('\n')}
staged[${starts[i]}u + slot] = ${quad};
}`;
  };
  const stageScalar = ({ name, element }: AttentionScalar) => {
    const writer = context.writer();
    const value = element(writer, writer.define(`head * ${rows}u + min(firstOther + lane, ${rows - 1}u)`));
    return [...writer.lines, `staged[${startOf(name)}u + lane].x = ${value};`].join('\n');
  };
  const stageDot = ({ side }: RowDot) => {
    const writer = context.writer();
    const factors = [side, sides[1]].map((each) =>
      loadQuad(writer, each, { row: 'other', quad: 'quad', quads: quadsOf(each) }),
    );
    return `for (var slot = lane; slot < ${height * lanesPerDot}u; slot += ${lanes}u) {
let other = min(firstOther + slot / ${lanesPerDot}u, ${rows - 1}u);
var products = vec4f();
for (var quad = slot % ${lanesPerDot}u; quad < ${quadsOf(side)}u; quad += ${lanesPerDot}u) {
${writer.lines.join('\n')}
products = fma(${factors.join(', ')}, products);
}
staged[${dotStart}u + slot] = products;
}`;
  };
  const dotOfSlot = `dot(${range(lanesPerDot)
    .map((part) => `staged[${dotStart}u + slot * ${lanesPerDot}u + ${part}u]`)
    .join(' + ')}, vec4f(1.0f))`;
  return {
    staged: dotStart + (dot === undefined ? 0 : height * lanesPerDot),
    forEach: (statements) => `for (var firstOther = 0u; firstOther < ${rows}u; firstOther += ${height}u) {
workgroupBarrier();
${sides.map(stageSide).join('\n')}
${scalars.length === 0 ? '' : `if (lane < ${height}u) {\n${scalars.map(stageScalar).join('\n')}\n}`}
${dot === undefined ? '' : stageDot(dot)}
workgroupBarrier();
for (var slot = 0u; slot < min(${height}u, ${rows}u - firstOther); slot++) {
${statements}
}
}`,
    quad: (side, index) =>
      `staged[${starts[side]}u + slot * ${quads[side]}u + ${index * lanesPerRow}u + part]`,
    scalar: (name) => (name === dot?.name ? dotOfSlot : `staged[${startOf(name)}u + slot].x`),
  };
}

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
      return writer.define(loadQuad(writer, side, { row: 'other', quad, quads: count * size }));
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

/**
 * A loop that compilers do not unroll: they cannot know that no dispatch of ours has more than one
 * workgroup along z. Unrolled, an array that the loop indexes falls apart into hundreds of variables, and
 * lavapipe took 18 to 29 s instead of 1 to 2 s to compile a kernel of attention.
 */
export function rolledLoop(name: string, count: number, statements: string): string {
  return `for (var ${name} = 0u; ${name} < ${count}u + group.z; ${name}++) {\n${statements}\n}`;
}
