import type { NodeId, Shape } from '@kora-bench/core';
import { sizeOf } from '@kora-bench/core';
import { spread } from '../wgsl/workgroup-grid.js';
import type { Step } from './schedule.js';

const workgroupSize = 64;

/** The kernel that adds a part's sum `from`, of `shape`, to the total `to`, which it changes in place. */
export function addToTotal(from: NodeId, to: NodeId, shape: Shape): Step {
  const size = sizeOf(shape);
  const workgroups = spread(Math.ceil(size / workgroupSize));
  const code = `@group(0) @binding(0) var<storage, read_write> total: array<f32>;
@group(0) @binding(1) var<storage, read> addend: array<f32>;
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * ${workgroups[0]}u + group.x) * ${workgroupSize}u + lane;
  if (i < ${size}u) { total[i] += addend[i]; }
}`;
  return {
    code: { code, writes: [to], reads: [from], offsets: [], workgroupSize, workgroups },
    label: `add to total [${shape}]`,
    cost: { flops: size, bytes: 12 * size },
  };
}
