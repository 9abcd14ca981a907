import { availableParallelism } from 'node:os';
import type { DeviceProbe } from '@kora-bench/core/backend';
import { BackendError } from '@kora-bench/core/errors';
import { runDriverCheck } from '@kora-bench/platform-node/driver-check';
import type { OrtDevice } from './engine.js';
import { deviceFix, devices } from './engine.js';

const check = new URL('./device-check-process.js', import.meta.url);

/** Runs a device check in a child process and says what came of it. Never throws. */
export async function probeDevice(device: OrtDevice): Promise<DeviceProbe> {
  const { stdout, failure } = await runDriverCheck(check, [device]);
  const said = stdout.trim();
  if (said === 'works') {
    const detail = device === 'cpu' ? `cpu (${availableParallelism()} threads)` : device;
    return { device, available: true, detail };
  }
  const detail = said === '' ? `the driver check failed: ${failure}` : said;
  return { device, available: false, detail, fix: deviceFix[device] };
}

/** @throws BackendError for a device that onnxruntime does not have */
export function requireDevice(device: string): OrtDevice {
  const known = devices.find((name) => name === device);
  if (known !== undefined) return known;
  throw new BackendError(`onnxruntime has no device named "${device}".`, {
    expected: `one of ${devices.join(', ')}`,
    received: device,
    where: 'device',
    fix: `Choose one of ${devices.join(', ')}.`,
  });
}

/** @throws BackendError, with what would help, when the check of `device` fails */
export async function requireAvailable(device: OrtDevice): Promise<void> {
  const { available, detail, fix } = await probeDevice(device);
  if (available) return;
  throw new BackendError(`onnxruntime cannot use the device ${device}.`, {
    received: detail,
    where: `onnxruntime:${device}`,
    ...(fix === undefined ? {} : { fix }),
  });
}
