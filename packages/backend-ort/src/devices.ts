/** Execution providers that can be asked for. */
export const devices = ['cpu', 'webgpu', 'cuda'] as const;
export type OrtDevice = (typeof devices)[number];

/** What makes a device available where it is not. */
export const deviceFix: Record<OrtDevice, string> = {
  cpu: 'Install onnxruntime-node for this platform: Linux, macOS or Windows on x64 or arm64.',
  webgpu:
    'Use a machine whose GPU has a working Vulkan, Metal or Direct3D 12 driver (`vulkaninfo --summary` lists them on Linux), or choose the device cpu.',
  cuda: 'The npm package holds no CUDA binaries. Run the install script of onnxruntime-node with ONNXRUNTIME_NODE_INSTALL=cuda12 on Linux x64 with CUDA 12 and cuDNN 9, or choose the device cpu.',
};
