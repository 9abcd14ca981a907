import { BackendError, firstLine } from '@kora-bench/core';
import type { WebgpuOptions } from '../options.js';
import { driverFix, requestAdapter } from './adapter.js';
import type { DeviceFeatures } from './features.js';
import { featureNames, hasFeature, requiredFeatures } from './features.js';
import { openGpu } from './gpu.js';
import { survey } from './survey.js';

/** A device, ready for programs. */
export interface OpenDevice {
  readonly device: GPUDevice;
  /** The GPU in words. */
  readonly description: string;
  /** Whether it is a driver that computes on the CPU. */
  readonly software: boolean;
  /** Whether waiting for it keeps a core busy. */
  readonly polls: boolean;
  /** What kernels may use beyond the core of WGSL. */
  readonly features: DeviceFeatures;
  /** Of the engine and the driver, and the features in use: all that can change numbers. */
  readonly versions: Readonly<Record<string, string>>;
}

/** Limits that are asked for as large as the adapter has them. */
const wantedLimits = [
  'maxStorageBuffersPerShaderStage',
  'maxStorageBufferBindingSize',
  'maxBufferSize',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
] as const;

/** @throws BackendError with the fix when there is no adapter, its driver does not work, or gives no device */
export async function openDevice(options: WebgpuOptions): Promise<OpenDevice> {
  const { adapter: facts, features, versions } = await survey(options);
  const entry = await openGpu();
  const adapter = await requestAdapter(entry, options);
  try {
    const device = await adapter.requestDevice({
      requiredLimits: Object.fromEntries(wantedLimits.map((name) => [name, adapter.limits[name]])),
      requiredFeatures: requiredFeatures(features),
    });
    const { name: description, software, driver } = facts;
    const used = featureNames.filter((name) => hasFeature(features, name)).join(', ');
    return {
      device,
      description,
      software,
      polls: entry.polls,
      features,
      versions: { ...versions, ...(driver && { driver }), features: used || 'none' },
    };
  } catch (cause) {
    throw new BackendError('The GPU gave no device.', {
      where: 'webgpu',
      received: firstLine(cause),
      fix: driverFix,
      cause,
    });
  }
}
