import type { DeviceProbe } from '@kora-bench/core/backend';
import { runDriverCheck } from '@kora-bench/platform-node/driver-check';
import type { TfjsDevice } from './devices.js';

const check = new URL('./probe-process.js', import.meta.url);

/** Milliseconds: all devices are tried at the same time, and TensorFlow is half a gigabyte to load. */
const timeout = 50_000;

/** Tries a device in a child process. Never throws. */
export async function probeInChild(device: TfjsDevice): Promise<DeviceProbe> {
  const { stdout, failure } = await runDriverCheck(check, [device], timeout);
  const last = stdout.trim().split('\n').at(-1) ?? '';
  // A process that was ended may leave nothing, or half a line.
  if (failure === undefined && last.startsWith('{')) return JSON.parse(last) as DeviceProbe;
  return {
    device,
    available: false,
    detail: `trying it failed: ${failure ?? 'it said nothing'}`,
    fix: 'Check the installation of its driver or library, or choose tfjs:wasm.',
  };
}
