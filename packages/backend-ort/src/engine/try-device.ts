import { availableParallelism } from 'node:os';
import type { DeviceProbe } from '@kora-bench/core';
import { runTrial } from '@kora-bench/trial-process';
import type { OrtDevice } from '../devices.js';
import { deviceFix } from '../devices.js';

const trial = new URL('./trial-process.js', import.meta.url);

/** Tries `device` for real, in a process of its own. Never throws. */
export async function tryDevice(device: OrtDevice): Promise<DeviceProbe> {
  const { stdout, stopped } = await runTrial(trial, [device]);
  const said = stdout.trim();
  if (said === 'works') {
    const detail = device === 'cpu' ? `cpu (${availableParallelism()} threads)` : device;
    return { device, available: true, detail };
  }
  const detail = said === '' ? `its driver does not work: ${stopped}` : said;
  return { device, available: false, detail, fix: deviceFix[device] };
}
