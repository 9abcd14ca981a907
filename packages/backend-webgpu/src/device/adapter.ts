import { BackendError } from '@kora-bench/core';
import type { WebgpuOptions } from '../options.js';
import type { GpuEntry } from './gpu.js';

/** What helps where there is no usable adapter. */
export const driverFix =
  'Install a Vulkan driver. Without a GPU, Mesa 25’s lavapipe does (Debian 12: mesa-vulkan-drivers from ' +
  'bookworm-backports, and libvulkan1); Mesa 22.3 is too old. Or choose another backend.';

/**
 * The adapter that the options ask for. Each gives one device only.
 * @throws BackendError when there is none
 */
export async function requestAdapter(
  { gpu }: GpuEntry,
  { powerPreference }: Pick<WebgpuOptions, 'powerPreference'>,
): Promise<GPUAdapter> {
  const adapter = await gpu.requestAdapter(powerPreference && { powerPreference });
  if (adapter !== null) return adapter;
  throw new BackendError('No GPU was found.', {
    where: 'webgpu',
    expected: 'an adapter',
    received: 'none',
    fix: driverFix,
  });
}

/** An adapter in words and numbers; plain data. */
export interface AdapterFacts {
  /** Vendor and model, as far as they are told. */
  readonly name: string;
  /** Name and version of the driver; empty where the browser keeps it to itself. */
  readonly driver: string;
  /** Whether it computes on the CPU. */
  readonly software: boolean;
  /** Of one buffer, in bytes. */
  readonly maxBufferSize: number;
  /** Of the part of a buffer that a kernel sees, in bytes. */
  readonly maxStorageBufferBindingSize: number;
  /** Memory that a workgroup shares, in bytes. */
  readonly maxComputeWorkgroupStorageSize: number;
}

export function describeAdapter({ info, limits }: GPUAdapter): AdapterFacts {
  const { vendor, architecture, device, description } = info;
  const model = (device || architecture).replace(/-+$/, '');
  const name = [vendor, model].filter((part) => part !== '').join(' ');
  return {
    name: name || description || 'unnamed GPU',
    driver: description,
    software:
      info.isFallbackAdapter || /llvmpipe|swiftshader/i.test(`${architecture} ${device} ${description}`),
    maxBufferSize: limits.maxBufferSize,
    maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
    maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
  };
}
