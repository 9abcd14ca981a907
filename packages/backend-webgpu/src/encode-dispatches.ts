import type { NodeId } from '@kora-bench/core';
import type { Dispatch } from './compile-program.js';
import type { KernelTimer } from './device/kernel-timer.js';

/** Encodes kernels: all in one pass, or each in a pass of its own that `timer` takes the time of. */
export function encodeDispatches(
  encoder: GPUCommandEncoder,
  dispatches: readonly Dispatch[],
  states: ReadonlyMap<NodeId, GPUBuffer>,
  timer?: KernelTimer,
): void {
  let pass = timer === undefined ? encoder.beginComputePass() : undefined;
  let current: GPUComputePipeline | undefined;
  dispatches.forEach(({ pipeline, workgroups, bind }, i) => {
    if (timer !== undefined) {
      pass = encoder.beginComputePass({ timestampWrites: timer.writes(i) });
      current = undefined;
    }
    if (pipeline !== current) pass!.setPipeline(pipeline);
    current = pipeline;
    pass!.setBindGroup(0, bind(states));
    pass!.dispatchWorkgroups(...workgroups);
    if (timer !== undefined) pass!.end();
  });
  if (timer === undefined) pass!.end();
}
