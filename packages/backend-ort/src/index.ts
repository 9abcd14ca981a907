import type { BackendDefinition } from '@kora-bench/core';
import { BackendError } from '@kora-bench/core';
import type { OrtDevice } from './devices.js';
import { devices } from './devices.js';
import { loadEngine } from './engine/engine.js';
import { tryDevice } from './engine/try-device.js';
import type { OrtOptions } from './options.js';
import { ortOptions } from './options.js';
import { OrtBackend } from './ort-backend.js';

export type { OrtOptions } from './options.js';

/** onnxruntime-node as a backend of the suite. */
const definition: BackendDefinition<OrtOptions> = {
  name: 'onnxruntime',
  description: 'Each program as one ONNX model in onnxruntime, on the CPU or by another execution provider.',
  defaultDevice: 'cpu',
  devices,
  options: ortOptions,
  async create(device, options) {
    const known = requireDevice(device);
    // A provider that is not there can end the process instead of throwing, so it is tried elsewhere first.
    if (known !== 'cpu') await requireAvailable(known);
    return new OrtBackend(await loadEngine(), known, options);
  },
  probe: () => Promise.all(devices.map(tryDevice)),
};

export default definition;

function requireDevice(device: string): OrtDevice {
  const known = devices.find((name) => name === device);
  if (known !== undefined) return known;
  throw new BackendError(`onnxruntime has no device named "${device}".`, {
    expected: `one of ${devices.join(', ')}`,
    received: device,
    where: 'device',
    fix: `Choose one of ${devices.join(', ')}.`,
  });
}

async function requireAvailable(device: OrtDevice): Promise<void> {
  const { available, detail, fix } = await tryDevice(device);
  if (available) return;
  throw new BackendError(`onnxruntime cannot use the device ${device}.`, {
    received: detail,
    where: `onnxruntime:${device}`,
    ...(fix === undefined ? {} : { fix }),
  });
}
