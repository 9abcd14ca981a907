import type { KernelCode } from '../wgsl/write-kernel.js';

/** A measurement should take about this long, in milliseconds, for the clock to tell kernels apart. */
const worthwhile = 4;
const mostRuns = 256;
const rounds = 3;

/**
 * Milliseconds that one run of a kernel takes on buffers of its own, filled with zeros: the best of some
 * rounds of as many runs as the clock needs.
 * @param sizes bytes of the buffers that it writes and reads
 */
export async function measureKernel(
  device: GPUDevice,
  pipeline: GPUComputePipeline,
  { offsets, workgroups }: KernelCode,
  sizes: readonly number[],
): Promise<number> {
  const { STORAGE, UNIFORM } = GPUBufferUsage;
  const make = (bytes: number, usage: number) =>
    device.createBuffer({ label: 'measurement', size: 16 * Math.ceil(bytes / 16), usage });
  const buffers = sizes.map((bytes) => make(bytes, STORAGE));
  // Zeros will do for the offsets: where a kernel reads makes no difference to its speed.
  if (offsets.length > 0) buffers.push(make(4 * offsets.length, UNIFORM));
  const group = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
  });
  const run = async (count: number) => {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    for (let i = 0; i < count; i++) pass.dispatchWorkgroups(...workgroups);
    pass.end();
    const start = performance.now();
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
    return performance.now() - start;
  };
  try {
    await run(1);
    const once = await run(1);
    const runs = Math.max(1, Math.min(mostRuns, Math.round(worthwhile / once)));
    let best = Number.POSITIVE_INFINITY;
    for (let round = 0; round < rounds; round++) best = Math.min(best, (await run(runs)) / runs);
    return best;
  } finally {
    for (const buffer of buffers) buffer.destroy();
  }
}
