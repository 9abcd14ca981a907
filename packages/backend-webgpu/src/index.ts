import type { BackendDefinition } from '@kora-bench/core/backend';
import { BackendError } from '@kora-bench/core/errors';
import type { TileStore } from './compile/tune-tiles.js';
import { inNode } from './device/gpu.js';
import { openDevice, probeDevice } from './device/open-device.js';
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
    const opened = await openDevice(options);
    const { description, software, versions } = opened;
    const tunes = options.tune ?? !software;
    const about = { description, ...versions, precision: options.precision };
    return new WebgpuBackend(opened, options, tunes ? await openTileStore(about) : undefined);
  },
  probe: async () => [await probeDevice(device, webgpuOptions.parse({}))],
};

/**
 * Where tiles for a device are kept: a file in Node; nowhere in a browser, whose pages find them anew.
 * @param about all that decides how good a tile is, by name: the device, its driver, the precision
 */
async function openTileStore(about: Readonly<Record<string, string>>): Promise<TileStore> {
  if (!inNode) return { load: async () => ({}), save: async () => undefined };
  // Bundlers for browsers must not follow this import: they do not see what it is of.
  const path: string = './compile/node-tile-file.js';
  const { tileFile }: typeof import('./compile/node-tile-file.js') = await import(/* @vite-ignore */ path);
  return tileFile(JSON.stringify(about));
}

export default definition;
