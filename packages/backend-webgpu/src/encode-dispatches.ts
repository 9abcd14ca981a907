import type { StateRanges } from './bind-buffers.js';
import type { Dispatches } from './build-program.js';
import type { KernelTimer } from './device/kernel-timer.js';

/** Encodes kernels: all in one pass, or each in a pass of its own that a timer takes the time of. */
export function encodeDispatches(
  encoder: GPUCommandEncoder,
  { pipelines, workgroups, groupsOf }: Dispatches,
  states: StateRanges,
  timing?: { readonly timer: KernelTimer; readonly first: number },
): void {
  const groups = groupsOf(states);
  let pass = timing === undefined ? encoder.beginComputePass() : undefined;
  let current: GPUComputePipeline | undefined;
  for (let i = 0; i < pipelines.length; i++) {
    const pipeline = pipelines[i]!;
    if (timing !== undefined) {
      pass = encoder.beginComputePass({ timestampWrites: timing.timer.writes(timing.first + i) });
      current = undefined;
    }
    if (pipeline !== current) pass!.setPipeline(pipeline);
    current = pipeline;
    pass!.setBindGroup(0, groups[i]!);
    pass!.dispatchWorkgroups(workgroups[3 * i]!, workgroups[3 * i + 1], workgroups[3 * i + 2]);
    if (timing !== undefined) pass!.end();
  }
  if (timing === undefined) pass!.end();
}
