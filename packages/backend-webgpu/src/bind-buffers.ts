import type { NodeId } from '@kora-bench/core';
import type { BufferRange } from './device/buffer-range.js';

/**
 * Makes the bind groups of a kernel. They are kept; where a state is bound, one for each of its two buffers.
 * @param ids in the order of their bindings, before those of `constants`
 */
export function bindBuffers(
  device: GPUDevice,
  pipeline: GPUComputePipeline,
  ids: readonly NodeId[],
  buffers: ReadonlyMap<NodeId, BufferRange>,
  constants: readonly BufferRange[],
): (states: ReadonlyMap<NodeId, BufferRange>) => GPUBindGroup {
  const known: { readonly bound: readonly BufferRange[]; readonly group: GPUBindGroup }[] = [];
  const fixed = ids.every((id) => buffers.has(id));
  return (states) => {
    if (fixed && known.length === 1) return known[0]!.group;
    const bound = ids.map((id) => states.get(id) ?? buffers.get(id)!);
    const found = known.find((entry) => entry.bound.every(({ buffer }, i) => buffer === bound[i]!.buffer));
    if (found !== undefined) return found.group;
    const group = device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: [...bound, ...constants].map((resource, binding) => ({ binding, resource })),
    });
    if (known.length === 4) known.shift();
    known.push({ bound, group });
    return group;
  };
}
