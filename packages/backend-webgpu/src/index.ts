import type { BackendDefinition, DeviceProbe } from '@kora-bench/core';
import { BackendError, KoraError } from '@kora-bench/core';
import { openDevice } from './device/open-device.js';
import type { WebgpuOptions } from './options.js';
import { webgpuOptions } from './options.js';
import { WebgpuBackend } from './webgpu-backend.js';

export type { WebgpuOptions } from './options.js';

const device = 'gpu';

/** WebGPU as a backend of the suite: Dawn in Node, `navigator.gpu` in a browser. */
const definition: BackendDefinition<WebgpuOptions> = {
  name: 'webgpu',
  description: 'Each program as kernels in WGSL, on any GPU; in Node and in the browser.',
  defaultDevice: device,
  devices: [device],
  options: webgpuOptions,
  async create(asked, options) {
    if (asked !== device) {
      throw new BackendError(`webgpu has no device named "${asked}".`, {
        expected: device,
        received: asked,
        where: 'device',
        fix: `Choose ${device}; the option powerPreference says which one where there are several.`,
      });
    }
    return new WebgpuBackend(await openDevice(options), options);
  },
  probe: async () => [await probe()],
};

export default definition;

async function probe(): Promise<DeviceProbe> {
  try {
    const opened = await openDevice({});
    opened.device.destroy();
    return { device, available: true, detail: opened.description };
  } catch (error) {
    const fix = error instanceof KoraError ? error.fix : undefined;
    const detail = error instanceof Error ? error.message : String(error);
    return { device, available: false, detail, ...(fix !== undefined && { fix }) };
  }
}
