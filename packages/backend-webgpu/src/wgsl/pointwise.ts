import type { GraphNode } from '@kora-bench/core';
import { sizeOf } from '@kora-bench/core';
import { spread } from './workgroup-grid.js';
import type { KernelBody, KernelContext } from './write-kernel.js';

const workgroupSize = 64;

/** Elementwise ops alone: a lane computes one element, or four, of every output. */
export function pointwiseBody({ target, storeFirst }: KernelContext, { shape }: GraphNode): KernelBody {
  const size = sizeOf(shape);
  const width = target.quads && size % 4 === 0 ? 4 : 1;
  const workgroups = spread(Math.ceil(size / width / workgroupSize));
  return {
    declarations: '',
    body: `let i = (group.y * ${workgroups[0]}u + group.x) * ${workgroupSize}u + lane;
if (i >= ${size / width}u) { return; }
let at = ${width === 1 ? 'i' : 'i * 4u'};
${storeFirst('at', width)}`,
    workgroupSize,
    workgroups,
  };
}
