import { BackendError, firstLine } from '@kora-bench/core/errors';

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

/** The module `onnxruntime-node`. */
export type Engine = typeof import('onnxruntime-node');

/**
 * Loads onnxruntime's native library, the first time that it is needed.
 * @throws BackendError when it cannot be loaded on this platform
 */
export async function loadEngine(): Promise<Engine> {
  try {
    const engine = await import('onnxruntime-node');
    // Every error that matters comes back as an exception; the native log would repeat it on stderr.
    engine.env.logLevel = 'fatal';
    return engine;
  } catch (cause) {
    throw new BackendError('The native library of onnxruntime cannot be loaded.', {
      expected: 'a platform that onnxruntime-node has binaries for',
      received: `${process.platform} ${process.arch}: ${reasonOf(cause)}`,
      fix: deviceFix.cpu,
      cause,
    });
  }
}

/**
 * The first line of what the engine says about a failure, without the position in its own source that
 * its assertions begin with.
 */
export function reasonOf(cause: unknown): string {
  return firstLine(cause).replace(/^\S*onnxruntime\S*:\d+ .*? was false\. /, '');
}
