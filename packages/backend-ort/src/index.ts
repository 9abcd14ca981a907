import type { BackendDefinition } from '@kora-bench/core/backend';
import { probeDevice, requireAvailable, requireDevice } from './engine/device-check.js';
import { devices, loadEngine } from './engine/engine.js';
import type { OrtOptions } from './engine/options.js';
import { ortOptions } from './engine/options.js';
import { OrtBackend } from './ort-backend.js';

export type { OrtOptions } from './engine/options.js';

/** onnxruntime-node as a backend of the suite. */
const definition: BackendDefinition<OrtOptions> = {
  name: 'onnxruntime',
  description: 'Each program as one ONNX model in onnxruntime, on the CPU or by another execution provider.',
  defaultDevice: 'cpu',
  devices,
  options: ortOptions,
  async create(device, options) {
    const known = requireDevice(device);
    // A provider that is not there can end the process instead of throwing: a child process checks it first.
    if (known !== 'cpu') await requireAvailable(known);
    return new OrtBackend(await loadEngine(), known, options);
  },
  probe: () => Promise.all(devices.map(probeDevice)),
};

export default definition;
