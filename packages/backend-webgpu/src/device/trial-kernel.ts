/**
 * Compiles a kernel, runs one workgroup of it and waits for what it wrote.
 * @param code reads binding 0 and writes binding 1
 * @throws Error with the driver's words when it refuses the kernel
 */
export async function runTrialKernel(
  device: GPUDevice,
  code: string,
  input: Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>,
  outputBytes: number,
): Promise<ArrayBuffer> {
  const pipeline = await device.createComputePipelineAsync({
    layout: 'auto',
    compute: { module: device.createShaderModule({ code }), entryPoint: 'main' },
  });
  const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
  const source = device.createBuffer({ size: input.byteLength, usage: STORAGE | COPY_DST });
  const result = device.createBuffer({ size: outputBytes, usage: STORAGE | COPY_SRC });
  const staging = device.createBuffer({ size: outputBytes, usage: COPY_DST | MAP_READ });
  device.queue.writeBuffer(source, 0, input);
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  const entries = [source, result].map((buffer, binding) => ({ binding, resource: { buffer } }));
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
  pass.dispatchWorkgroups(1);
  pass.end();
  encoder.copyBufferToBuffer(result, 0, staging, 0, outputBytes);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  return staging.getMappedRange();
}
