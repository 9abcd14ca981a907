import type { DeviceProbe } from '@kora-bench/core/backend';
import { firstLine, KoraError } from '@kora-bench/core/errors';
import type { TfjsDevice } from './devices.js';
import { devices, inNode } from './devices.js';
import { openTfjs } from './open-tfjs.js';

/** Tries every device; in Node each in a child process of its own, because native code can crash. Never throws. */
export function probeDevices(): Promise<readonly DeviceProbe[]> {
  return Promise.all(devices.map((device) => (inNode ? probeInChild(device) : probeHere(device))));
}

/** Opens a device in this process and says what came of it. Never throws. */
export async function probeHere(device: TfjsDevice): Promise<DeviceProbe> {
  try {
    const { description } = await openTfjs(device);
    return { device, available: true, detail: description };
  } catch (error) {
    if (!(error instanceof KoraError)) return { device, available: false, detail: firstLine(error) };
    const { message, expected, received, fix } = error;
    const reason = [expected && `it needs ${expected}`, received && `found ${received}`]
      .filter(Boolean)
      .join(', ');
    const detail = reason === '' ? message : `${message.replace(/\.$/, '')}: ${reason}`;
    return { device, available: false, detail, ...(fix !== undefined && { fix }) };
  }
}

async function probeInChild(device: TfjsDevice): Promise<DeviceProbe> {
  // Bundlers for browsers must not follow this import: only Node has what it is of.
  const path: string = './probe-child.js';
  const { probeInChild: probe }: typeof import('./probe-child.js') = await import(/* @vite-ignore */ path);
  return probe(device);
}
