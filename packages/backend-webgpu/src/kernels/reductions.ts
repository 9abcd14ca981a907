import { InternalError } from '@kora-bench/core/errors';
import type { GraphNode, ReduceFn } from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';
import type { Width } from '../wgsl/element-index.js';
import { axesIndex, axesOf, flatIndex } from '../wgsl/element-index.js';
import { spread } from '../wgsl/kernel-code.js';
import { computedType, preludeName } from '../wgsl/numbers.js';
import type { KernelBody, KernelContext } from './kernel-context.js';
import type { KernelTarget } from './kernel-target.js';

/** Lanes of a workgroup, each with a result of its own or all with one. */
const workgroupSize = 64;
/** Up to this many elements, a lane is quicker alone. */
const fewElements = 16;

/** A reduction over any axes. */
export function reduceBody(context: KernelContext, node: GraphNode): KernelBody {
  const { op, shape, inputs } = node;
  if (op.kind !== 'reduce') throw new InternalError('Not a reduction.');
  const input = context.program.nodes[inputs[0]!]!;
  const results = sizeOf(shape);
  const count = sizeOf(input.shape) / results;
  const overRows = op.axes.includes(input.shape.length - 1);
  const together = overRows && count > fewElements && shareResults(context.target);
  const width: Width = together && context.target.quads && input.shape.at(-1)! % 4 === 0 ? 4 : 1;

  const writer = context.writer();
  const extents = (reduced: boolean) =>
    input.shape.map((extent, axis) => (op.axes.includes(axis) === reduced ? extent : 1));
  const kept = axesOf(flatIndex('o'), extents(false), writer.define);
  const reduced = axesOf(flatIndex('k'), extents(true), writer.define);
  const axes = input.shape.map((_, axis) => (op.axes.includes(axis) ? reduced[axis]! : kept[axis]!));
  const element = writer.value(input.id, axesIndex(axes, width));
  const lanes = together ? workgroupSize : 1;
  const { declarations, index, workgroups } = resultPerLanes(results, lanes);
  return {
    declarations,
    body: `${index}
${accumulate('total', { fn: op.fn, count, lanes, width }, writer.lines, element)}
${lanes === 1 ? '' : 'if (lane == 0u) '}{
${context.store(node.id, 'o', 'total', 1)}
}`,
    alone: lanes > 1,
    workgroupSize,
    workgroups,
  };
}

/** Whether several lanes should work on one result. */
export function shareResults({ sharing }: KernelTarget): boolean {
  return sharing.kind === 'workgroup';
}

/** Makes `o` the number of the result that a lane works on, alone or with its whole workgroup. */
export function resultPerLanes(
  results: number,
  lanes: number,
): { readonly declarations: string; readonly index: string; readonly workgroups: KernelBody['workgroups'] } {
  const groups = lanes === 1 ? Math.ceil(results / workgroupSize) : results;
  const workgroups = spread(groups);
  const group = `(group.y * ${workgroups[0]}u + group.x)`;
  return {
    declarations: lanes === 1 ? '' : partialsDeclaration(lanes),
    index: `let o = ${lanes === 1 ? `${group} * ${workgroupSize}u + lane` : group};
if (o >= ${results}u) { return; }`,
    workgroups,
  };
}

/** How the lanes that work on one result put together what each has found. */
export interface Accumulation {
  readonly fn: ReduceFn;
  /** How many elements there are. */
  readonly count: number;
  /** Lanes that share the elements, neighbours next to each other; a power of two. */
  readonly lanes: number;
  /** How many elements a lane takes at once. */
  readonly width: Width;
}

/** Declared once by a kernel in which several lanes share an accumulation. */
const partialsDeclaration = (lanes: number) => `var<workgroup> partials: array<f32, ${lanes}>;`;

/**
 * Statements that leave the accumulated value in `name`, in every lane. Sums go up in a tree over the
 * lanes, so those of many elements lose little precision.
 * @param lines compute `element`, the elements from number `k` on
 */
export function accumulate(
  name: string,
  { fn, count, lanes, width }: Accumulation,
  lines: readonly string[],
  element: string,
): string {
  const type = computedType('f32', width);
  const combine = (a: string, b: string, at: Width) =>
    fn === 'max' ? `${preludeName('larger', at)}(${a}, ${b})` : `${a} + ${b}`;
  const start = fn === 'max' ? '-infinity()' : '0.0f';
  const step = lanes * width;
  const first = lanes === 1 ? '0u' : width === 1 ? 'lane' : `lane * ${width}u`;
  const parts = ['x', 'y', 'z', 'w'].map((part) => `${name}_all.${part}`);
  const whole = width === 1 ? `${name}_all` : parts.reduce((a, b) => combine(a, b, 1));
  const across =
    lanes === 1
      ? ''
      : `partials[lane] = ${name};
workgroupBarrier();
for (var half = ${lanes / 2}u; half > 0u; half /= 2u) {
if (lane < half) { partials[lane] = ${combine('partials[lane]', 'partials[lane + half]', 1)}; }
workgroupBarrier();
}
${name} = partials[0];
workgroupBarrier();`;
  return `var ${name}_all = ${type}(${start});
for (var k = ${first}; k < ${count}u; k += ${step}u) {
${lines.join('\n')}
${name}_all = ${combine(`${name}_all`, element, width)};
}
var ${name} = ${whole};
${across}
${fn === 'mean' ? `${name} = ${name} / ${count}.0f;` : ''}`;
}
