import type { NodeId } from '@kora-bench/core';
import type { BufferRange } from './device/buffer-range.js';

/** Where states are in a run, and what is written into them, by node. */
export type StateRanges = ReadonlyMap<NodeId, BufferRange>;

/** The bind group of a kernel, given where states are. */
export type BindGroupOf = (states: StateRanges) => GPUBindGroup;

/** For how many places of the states bind groups are kept; each state has two buffers that change places. */
const mostKept = 4;

/**
 * Makes the bind groups of a kernel.
 * @param ids in the order of their bindings
 * @param constants bound behind them
 */
export function bindBuffers(
  device: GPUDevice,
  pipeline: GPUComputePipeline,
  ids: readonly NodeId[],
  buffers: ReadonlyMap<NodeId, BufferRange>,
  constants?: BufferRange,
): BindGroupOf {
  const groupOf: BindGroupOf = (states) => {
    const bound = ids.map((id) => states.get(id) ?? buffers.get(id)!);
    if (constants !== undefined) bound.push(constants);
    return device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: bound.map((resource, binding) => ({ binding, resource })),
    });
  };
  if (!ids.every((id) => buffers.has(id))) return groupOf;
  let only: GPUBindGroup | undefined;
  return (states) => {
    only ??= groupOf(states);
    return only;
  };
}

/** Makes the bind groups of many kernels and keeps them: a step must not look for each anew. */
export function keepGroups(
  kernels: readonly BindGroupOf[],
): (states: StateRanges) => readonly GPUBindGroup[] {
  const kept: { readonly places: readonly GPUBuffer[]; readonly groups: readonly GPUBindGroup[] }[] = [];
  return (states) => {
    const places = [...states.values()].map(({ buffer }) => buffer);
    const known = kept.find((entry) => entry.places.every((buffer, i) => buffer === places[i]));
    if (known !== undefined) return known.groups;
    const groups = kernels.map((groupOf) => groupOf(states));
    if (kept.length === mostKept) kept.shift();
    kept.push({ places, groups });
    return groups;
  };
}
