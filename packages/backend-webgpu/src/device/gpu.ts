import { BackendError, firstLine } from '@kora-bench/core';
import { inNode } from './in-node.js';
import { importDawn } from './node-half.js';

/** What opens adapters: the browser's own, or Dawn in Node through the `webgpu` package. */
export interface GpuEntry {
  readonly gpu: GPU;
  /** Whether a core is busy while one of its promises is pending. */
  readonly polls: boolean;
  /** Name and version of the implementation, for records. */
  readonly versions: Readonly<Record<string, string>>;
}

let opened: Promise<GpuEntry> | undefined;

/**
 * The entry point of WebGPU. Asking Dawn for a second one in the same process can crash it, so there is one,
 * and it is never let go: Dawn crashes when it is collected before its adapters and devices.
 * @throws BackendError where there is none
 */
export function openGpu(): Promise<GpuEntry> {
  opened ??= findGpu();
  return opened;
}

/** `navigator.gpu`, where the surroundings have it. */
export function surroundingGpu(): GPU | undefined {
  return (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu;
}

async function findGpu(): Promise<GpuEntry> {
  const gpu = surroundingGpu();
  // In Node, whoever provides it has it from Dawn too.
  if (gpu !== undefined) return { gpu, polls: inNode, versions: { webgpu: inNode ? 'dawn' : 'browser' } };
  try {
    return (await importDawn()).openDawn();
  } catch (cause) {
    throw new BackendError('WebGPU is not available.', {
      where: 'webgpu',
      expected: 'a browser with navigator.gpu, or the package `webgpu` in Node',
      received: firstLine(cause),
      fix: 'Install the dependencies again; on Linux, the package needs glibc and libvulkan.so.1.',
      cause,
    });
  }
}
