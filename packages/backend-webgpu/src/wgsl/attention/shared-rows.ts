import { range } from '../range.js';
import type { KernelContext } from '../write-kernel.js';
import type { AttentionScalar } from './attention-problem.js';
import type { RowDot, Side } from './load-quad.js';
import { loadQuad, quadsOf } from './load-quad.js';
import type { OtherRows, OtherSide } from './other-rows.js';

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
    const quad = loadQuad(writer, side, 'other', 'quad', quads[i]!);
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
    const factors = [side, sides[1]].map((each) => loadQuad(writer, each, 'other', 'quad', quadsOf(each)));
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
