import type { GraphNode } from '@kora-bench/core';
import { InternalError, sizeOf } from '@kora-bench/core';
import { accumulate, partialsDeclaration } from './accumulate.js';
import type { KernelTarget } from './kernel-target.js';
import type { Width } from './place.js';
import { axesOf, axesPlace, flatPlace } from './place.js';
import { spread } from './workgroup-grid.js';
import type { KernelBody, KernelContext } from './write-kernel.js';

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
  const kept = axesOf(flatPlace('o'), extents(false), writer.define);
  const reduced = axesOf(flatPlace('k'), extents(true), writer.define);
  const axes = input.shape.map((_, axis) => (op.axes.includes(axis) ? reduced[axis]! : kept[axis]!));
  const element = writer.value(input.id, axesPlace(axes, width));
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
