import type { DeviceProbe } from '@kora-bench/core/backend';
import { BackendError, firstLine, KoraError } from '@kora-bench/core/errors';
import type { DeviceFeatures, FeatureName } from './features.js';
import { featureNames, hasFeature, requiredFeatures } from './features.js';
import type { DeviceRequest } from './gpu.js';
import { driverFix, openGpu, requestAdapter, surroundingGpu } from './gpu.js';
import type { MissingFeatures, Survey } from './survey.js';
import { surveyAdapter } from './survey.js';

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

/**
 * Opens the device that the user asks for, with all its features that work.
 * @throws BackendError with the fix when there is no adapter, its driver does not work, or gives no device
 */
export async function openDevice(request: DeviceRequest): Promise<OpenDevice> {
  const { adapter: facts, features, versions } = await survey(request);
  const entry = await openGpu();
  const adapter = await requestAdapter(entry, request);
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
    throw new BackendError('The GPU could not be opened.', {
      where: 'webgpu',
      received: firstLine(cause),
      fix: driverFix,
      cause,
    });
  }
}

/**
 * Finds out what the adapter can do; in Node in a child process, because drivers can crash or hang.
 * @throws BackendError when there is no adapter or its driver does not work
 */
async function survey(request: DeviceRequest): Promise<Survey> {
  const skipped = turnedOff(request);
  if (surroundingGpu() !== undefined) return surveyAdapter(await openGpu(), request, skipped);
  return (await importDriverCheck()).checkDriver(request, skipped);
}

/** Only Node has this module; see `gpu.ts` for why the import is hidden. */
function importDriverCheck(): Promise<typeof import('./node-driver-check.js')> {
  const path: string = './node-driver-check.js';
  return import(/* @vite-ignore */ path);
}

/** Why features are left out that the user turned off. */
function turnedOff({ disabledFeatures }: Pick<DeviceRequest, 'disabledFeatures'>): MissingFeatures {
  return Object.fromEntries(
    disabledFeatures.map((name) => [name, 'turned off by the option disabledFeatures']),
  );
}

/** Checks the GPU: what it is and can do, or why it cannot be used. Never throws. */
export async function probeDevice(device: string, request: DeviceRequest): Promise<DeviceProbe> {
  try {
    const found = await survey(request);
    return { device, available: true, detail: found.adapter.name, facts: factsOf(found) };
  } catch (error) {
    if (!(error instanceof KoraError)) return { device, available: false, detail: firstLine(error) };
    const { message, received, fix } = error;
    const detail = received === undefined ? message : `${message.replace(/\.$/, '')}: ${received}`;
    return { device, available: false, detail, ...(fix !== undefined && { fix }) };
  }
}

function factsOf({ adapter, features, missing }: Survey): Record<string, string> {
  const { driver, software, maxBufferSize, maxStorageBufferBindingSize, maxComputeWorkgroupStorageSize } =
    adapter;
  const able = featureNames.map((name) => [
    titles[name],
    hasFeature(features, name) ? `yes${detailOf(features, name)}` : `no: ${missing[name] ?? 'not checked'}`,
  ]);
  return {
    driver: driver === '' ? 'unknown' : driver,
    'computes on': software ? 'the CPU (a software driver)' : 'a GPU',
    'largest buffer': bytesText(maxBufferSize),
    'largest tensor': bytesText(Math.min(maxBufferSize, maxStorageBufferBindingSize)),
    'shared memory': bytesText(maxComputeWorkgroupStorageSize),
    ...(Object.fromEntries(able) as Record<string, string>),
  };
}

const titles: Readonly<Record<FeatureName, string>> = {
  f16: '16-bit floats',
  subgroups: 'subgroups',
  subgroupMatrix: 'subgroup matrices',
  timestamps: 'timestamp queries',
};

function detailOf({ subgroups, subgroupMatrix }: DeviceFeatures, name: FeatureName): string {
  switch (name) {
    case 'subgroups': {
      const { min, max } = subgroups!;
      return min === max ? `, of ${min} lanes` : `, of ${min} to ${max} lanes`;
    }
    case 'subgroupMatrix':
      return `, ${subgroupMatrix
        .map((one) => `${one.componentType}→${one.resultComponentType} ${one.M}×${one.N}×${one.K}`)
        .join(', ')}`;
    default:
      return '';
  }
}

function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB'] as const;
  let unit = 0;
  while (bytes >= 1024 ** (unit + 1) - 1 && unit < units.length - 1) unit++;
  return `${Number((bytes / 1024 ** unit).toPrecision(4))} ${units[unit]}`;
}
