import type { BackendDefinition } from '@kora-bench/core';
import { BackendError } from '@kora-bench/core';
import { openDevice } from './device/open-device.js';
import { probeDevice } from './device/probe.js';
import type { WebgpuOptions } from './options.js';
import { webgpuOptions } from './options.js';
import { openTileStore } from './tuning/open-tile-store.js';
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
    const opened = await openDevice(options);
    const { description, software, versions } = opened;
    const tunes = options.tune ?? !software;
    const about = { description, ...versions, precision: options.precision };
    return new WebgpuBackend(opened, options, tunes ? await openTileStore(about) : undefined);
  },
  probe: async () => [await probeDevice(device, webgpuOptions.parse({}))],
};

export default definition;
