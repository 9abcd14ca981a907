import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { DeviceProbe } from '@kora-bench/core';
import type { OrtDevice } from '../devices.js';
import { deviceFix } from '../devices.js';

/** How long a driver may take to start, in milliseconds. */
const patience = 30_000;

const trial = fileURLToPath(new URL('./trial-process.js', import.meta.url));

/** Tries `device` for real, in a process of its own. Never throws. */
export function tryDevice(device: OrtDevice): Promise<DeviceProbe> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [trial, device],
      { timeout: patience, killSignal: 'SIGKILL' },
      (error, stdout) => {
        const said = stdout.trim();
        if (said === 'works') {
          const detail = device === 'cpu' ? `cpu (${availableParallelism()} threads)` : device;
          resolve({ device, available: true, detail });
          return;
        }
        const stopped =
          error?.killed === true
            ? `no answer within ${patience / 1000} s`
            : `the driver crashed (${error?.signal ?? error?.code})`;
        resolve({ device, available: false, detail: said === '' ? stopped : said, fix: deviceFix[device] });
      },
    );
  });
}
