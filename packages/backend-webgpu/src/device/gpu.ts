import { BackendError } from '@kora-bench/core';

/** What opens adapters: the browser's own, or Dawn in Node through the `webgpu` package. */
export interface GpuEntry {
  readonly gpu: GPU;
  /** Name and version of the implementation, for records. */
  readonly versions: Readonly<Record<string, string>>;
}

interface NodePackage {
  create(options: readonly string[]): GPU;
  readonly globals: Readonly<Record<string, unknown>>;
}

let opened: Promise<GpuEntry> | undefined;

/**
 * The entry point of WebGPU. Asking Dawn for a second one in the same process can crash it, so there is one.
 * @throws BackendError where there is none
 */
export function openGpu(): Promise<GpuEntry> {
  opened ??= findGpu();
  return opened;
}

async function findGpu(): Promise<GpuEntry> {
  const browser = (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu;
  if (browser !== undefined) return { gpu: browser, versions: { webgpu: 'browser' } };
  const name = 'webgpu';
  try {
    const dawn = (await import(name)) as NodePackage;
    Object.assign(globalThis, dawn.globals);
    return { gpu: dawn.create([]), versions: { webgpu: 'dawn' } };
  } catch (cause) {
    throw new BackendError('WebGPU is not available.', {
      where: 'webgpu',
      expected: 'a browser with navigator.gpu, or the package `webgpu` in Node',
      received: cause instanceof Error ? cause.message.split('\n')[0]! : String(cause),
      fix: 'Install the dependencies again; on Linux, the package needs glibc and libvulkan.so.1.',
      cause,
    });
  }
}
