import { BackendError } from '@kora-bench/core/errors';

/** Engines of tfjs that can be asked for. */
export const devices = ['wasm', 'cpu', 'webgpu', 'node', 'node-gpu'] as const;
export type TfjsDevice = (typeof devices)[number];

/** The device used when none is named: it needs nothing but npm. */
export const defaultDevice: TfjsDevice = 'wasm';

/** The version of all packages of tfjs that the backend is written for. */
export const tfjsVersion = '4.22.0';

/** @throws BackendError for a device that tfjs does not have */
export function requireDevice(device: string): TfjsDevice {
  const known = devices.find((name) => name === device);
  if (known !== undefined) return known;
  throw new BackendError(`tfjs has no device named "${device}".`, {
    expected: `one of ${devices.join(', ')}`,
    received: device,
    where: 'device',
    fix: `Choose one of ${devices.join(', ')}.`,
  });
}

/** Whether the process is Node's, which a page's is not. */
export const inNode =
  (globalThis as { process?: { versions?: { node?: string } } }).process?.versions?.node !== undefined;

/** What makes a device available that comes with npm, where it is not. */
export const npmFix: Readonly<Record<Exclude<TfjsDevice, 'node' | 'node-gpu'>, string>> = {
  wasm: inNode
    ? `npm install @tensorflow/tfjs-backend-wasm@${tfjsVersion}`
    : 'Serve the .wasm files of @tensorflow/tfjs-backend-wasm and name their folder with its setWasmPaths.',
  cpu: `npm install @tensorflow/tfjs-backend-cpu@${tfjsVersion}`,
  webgpu:
    'Install a Vulkan driver. Without a GPU, Mesa 25’s lavapipe does (Debian 12: apt-get install -t ' +
    'bookworm-backports mesa-vulkan-drivers libvulkan1); or choose tfjs:wasm.',
};

/** The module `@tensorflow/tfjs-core`. */
export type Tfjs = typeof import('@tensorflow/tfjs-core');

/** One engine of tfjs, ready for kernels. */
export interface OpenTfjs {
  readonly device: TfjsDevice;
  /** The name that its kernels are registered under. */
  readonly engineName: string;
  /** The device in words. */
  readonly description: string;
  /** Of all that can change numbers. */
  readonly versions: Readonly<Record<string, string>>;
  /** tfjs's engine, with this device's kernels in place: a process has one for all devices. */
  engine(): ReturnType<Tfjs['engine']>;
  hasKernel(name: string): boolean;
  /** Where kernels return before they are done: see `EagerEngine.finish`. */
  finish?(): Promise<void>;
}

/** What differs from engine to engine. */
export type Opened = Pick<OpenTfjs, 'engineName' | 'description' | 'versions' | 'finish'>;
