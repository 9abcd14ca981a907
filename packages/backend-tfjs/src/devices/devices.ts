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
