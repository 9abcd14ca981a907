import type { GraphNode } from '@kora-bench/core';
import { InternalError, sizeOf } from '@kora-bench/core';
import { axesOf, axesPlace, flatPlace } from './place.js';
import { literal } from './scalar.js';
import { ValueWriter } from './value-writer.js';
import { spread } from './workgroup-grid.js';
import type { KernelBody, KernelContext } from './write-kernel.js';

const lanes = 64;

/**
 * One workgroup per result: its lanes take every 64th element, then add up their sums in a tree. Sums of
 * many elements lose little precision this way.
 */
export function reduceBody(context: KernelContext, node: GraphNode): KernelBody {
  const { op, shape, inputs } = node;
  if (op.kind !== 'reduce') throw new InternalError('Not a reduction.');
  const { program, store } = context;
  const input = program.nodes[inputs[0]!]!;
  const results = sizeOf(shape);
  const count = sizeOf(input.shape) / results;
  const combine = (a: string, b: string) => (op.fn === 'max' ? `larger(${a}, ${b})` : `${a} + ${b}`);

  const writer = new ValueWriter(context);
  const extents = (reduced: boolean) =>
    input.shape.map((extent, axis) => (op.axes.includes(axis) === reduced ? extent : 1));
  const kept = axesOf(flatPlace('o'), extents(false), writer.define);
  const reduced = axesOf(flatPlace('k'), extents(true), writer.define);
  const place = axesPlace(
    input.shape.map((_, axis) => (op.axes.includes(axis) ? reduced[axis]! : kept[axis]!)),
  );
  const element = writer.value(input.id, place);

  const workgroups = spread(results);
  const result = op.fn === 'mean' ? `partial[0] / ${literal(count, 'f32')}` : 'partial[0]';
  return {
    declarations: `var<workgroup> partial: array<f32, ${lanes}>;`,
    body: `let o = group.y * ${workgroups[0]}u + group.x;
if (o >= ${results}u) { return; }
var sum = ${op.fn === 'max' ? '-infinity()' : '0.0f'};
for (var k = lane; k < ${count}u; k += ${lanes}u) {
${writer.lines.join('\n')}
sum = ${combine('sum', element)};
}
partial[lane] = sum;
workgroupBarrier();
for (var half = ${lanes / 2}u; half > 0u; half /= 2u) {
if (lane < half) { partial[lane] = ${combine('partial[lane]', 'partial[lane + half]')}; }
workgroupBarrier();
}
if (lane == 0u) {
let total = ${result};
${store('o', 'total')}
}`,
    workgroupSize: lanes,
    workgroups,
  };
}
