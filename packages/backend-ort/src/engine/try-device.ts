import { availableParallelism } from 'node:os';
import type { DeviceProbe } from '@kora-bench/core';
import { runDriverCheck } from '@kora-bench/platform-node/driver-check';
import type { OrtDevice } from '../devices.js';
import { deviceFix } from '../devices.js';

const trial = new URL('./trial-process.js', import.meta.url);

/** Tries `device` for real, in a process of its own. Never throws. */
export async function tryDevice(device: OrtDevice): Promise<DeviceProbe> {
  const { stdout, failure } = await runDriverCheck(trial, [device]);
  const said = stdout.trim();
  if (said === 'works') {
    const detail = device === 'cpu' ? `cpu (${availableParallelism()} threads)` : device;
    return { device, available: true, detail };
  }
  const detail = said === '' ? `its driver does not work: ${failure}` : said;
  return { device, available: false, detail, fix: deviceFix[device] };
}
