import { BackendError, firstLine } from '@kora-bench/core/errors';
import type { FeatureName } from './features.js';

/** What a user may ask of a device. */
export interface DeviceRequest {
  readonly powerPreference?: GPUPowerPreference | undefined;
  readonly disabledFeatures: readonly FeatureName[];
}

/** Whether the process is Node's, which a page's is not. */
export const inNode =
  (globalThis as { process?: { versions?: { node?: string } } }).process?.versions?.node !== undefined;

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

/** `navigator.gpu`, in a browser or wherever somebody has provided it. */
export function surroundingGpu(): GPU | undefined {
  return (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu;
}

/** Only Node has this module, and bundlers for browsers must not follow the import: they do not see what it is of. */
function importDawn(): Promise<typeof import('./node-dawn.js')> {
  const path: string = './node-dawn.js';
  return import(/* @vite-ignore */ path);
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

/** What helps where there is no usable adapter. */
export const driverFix =
  'Install a Vulkan driver. Without a GPU, Mesa 25’s lavapipe does (Debian 12: mesa-vulkan-drivers from ' +
  'bookworm-backports, and libvulkan1); Mesa 22.3 is too old. Or choose another backend.';

/**
 * The adapter that the user asks for. Each gives one device only.
 * @throws BackendError when there is none
 */
export async function requestAdapter(
  { gpu }: GpuEntry,
  { powerPreference }: Pick<DeviceRequest, 'powerPreference'>,
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
  /** Vendor and model, as far as the driver reports them. */
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

/** What there is to know of an adapter. */
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
