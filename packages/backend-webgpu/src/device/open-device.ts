import { BackendError } from '@kora-bench/core';
import type { WebgpuOptions } from '../options.js';
import { openGpu } from './gpu.js';

/** A device, ready for programs. */
export interface OpenDevice {
  readonly device: GPUDevice;
  /** The GPU in words. */
  readonly description: string;
  /** Whether it is a driver that computes on the CPU. */
  readonly software: boolean;
  /** Lanes of a subgroup, where that is known before a kernel runs. */
  readonly subgroupSize: number | undefined;
  readonly versions: Readonly<Record<string, string>>;
}

const noAdapterFix =
  'Install a Vulkan driver. Without a GPU, Mesa 25’s lavapipe does (Debian 12: mesa-vulkan-drivers from ' +
  'bookworm-backports); Mesa 22.3 is too old.';

/** Limits that are asked for as large as the adapter has them. */
const wantedLimits = [
  'maxStorageBuffersPerShaderStage',
  'maxStorageBufferBindingSize',
  'maxBufferSize',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
] as const;

/** @throws BackendError with the fix when there is no adapter or it gives no device */
export async function openDevice({ powerPreference }: WebgpuOptions): Promise<OpenDevice> {
  const { gpu, versions } = await openGpu();
  const adapter = await gpu.requestAdapter(powerPreference && { powerPreference });
  if (!adapter) {
    throw new BackendError('No GPU was found.', {
      where: 'webgpu',
      expected: 'an adapter',
      received: 'none',
      fix: noAdapterFix,
    });
  }
  try {
    const requiredLimits = Object.fromEntries(wantedLimits.map((name) => [name, adapter.limits[name]]));
    const subgroups = adapter.features.has('subgroups');
    const device = await adapter.requestDevice({
      requiredLimits,
      requiredFeatures: subgroups ? ['subgroups'] : [],
    });
    const { subgroupMinSize, subgroupMaxSize } = adapter.info;
    const subgroupSize = subgroups && subgroupMinSize === subgroupMaxSize ? subgroupMinSize : undefined;
    const { vendor, architecture, device: model, description } = adapter.info;
    const words = description || [vendor, architecture, model].filter((part) => part !== '').join(' ');
    const software = /llvmpipe|swiftshader/i.test(`${architecture} ${words}`);
    return { device, description: words || 'unnamed GPU', software, subgroupSize, versions };
  } catch (cause) {
    throw new BackendError('The GPU gave no device.', {
      where: 'webgpu',
      received: cause instanceof Error ? cause.message : String(cause),
      fix: noAdapterFix,
      cause,
    });
  }
}
