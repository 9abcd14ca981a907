import type { NodeId } from '@kora-bench/core';
import type { Dispatch } from './build-program.js';
import type { BufferRange } from './device/buffer-range.js';
import type { KernelTimer } from './device/kernel-timer.js';

/** Encodes kernels: all in one pass, or each in a pass of its own that a timer takes the time of. */
export function encodeDispatches(
  encoder: GPUCommandEncoder,
  dispatches: readonly Dispatch[],
  states: ReadonlyMap<NodeId, BufferRange>,
  timing?: { readonly timer: KernelTimer; readonly first: number },
): void {
  let pass = timing === undefined ? encoder.beginComputePass() : undefined;
  let current: GPUComputePipeline | undefined;
  dispatches.forEach(({ pipeline, workgroups, bind }, i) => {
    if (timing !== undefined) {
      pass = encoder.beginComputePass({ timestampWrites: timing.timer.writes(timing.first + i) });
      current = undefined;
    }
    if (pipeline !== current) pass!.setPipeline(pipeline);
    current = pipeline;
    pass!.setBindGroup(0, bind(states));
    pass!.dispatchWorkgroups(...workgroups);
    if (timing !== undefined) pass!.end();
  });
  if (timing === undefined) pass!.end();
}
