import { createRequire } from 'node:module';
import { join } from 'node:path';
import util from 'node:util';
import { BackendError, firstLine } from '@kora-bench/core/errors';
import type { KernelBackend } from '@tensorflow/tfjs-core';
import type { Opened, Tfjs } from './devices.js';
import { tfjsVersion } from './devices.js';
import type { NativeKind } from './native-folder.js';
import { buildCommand, findAddon, installCommand, nodePackage, packageFolder } from './native-folder.js';

/** The device's name in tfjs. */
const engineName = 'tensorflow';

/** What of the addon is asked directly. */
interface Binding {
  readonly TF_Version: string;
  isUsingGpuDevice(): boolean;
}

const kinds = { node: 'cpu', 'node-gpu': 'gpu' } as const satisfies Record<string, NativeKind>;
type NativeDevice = keyof typeof kinds;

/** A process can hold one TensorFlow. */
let loaded: { readonly device: NativeDevice; readonly opened: Opened } | undefined;

/**
 * Loads tfjs-node's kernels and its addon with libtensorflow.
 * @throws BackendError with the reason and the fix
 */
export async function openNative(device: NativeDevice, tf: Tfjs): Promise<Opened> {
  if (loaded !== undefined) {
    if (loaded.device === device) return loaded.opened;
    throw unavailable(device, {
      expected: `a process without another TensorFlow`,
      received: `tfjs:${loaded.device}, which is open`,
      fix: `Use tfjs:${device} in a separate process.`,
    });
  }
  const folder = requirePackage(device);
  const addon = findAddon(kinds[device]);
  if (addon === undefined) {
    throw unavailable(device, {
      expected: `the addon of ${nodePackage} with ${device === 'node' ? '' : 'a GPU build of '}libtensorflow`,
      received: 'none',
      fix: buildCommand(kinds[device]),
    });
  }
  // What it would print of itself while it loads and runs; errors come as exceptions.
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '2';
  // Node 23 dropped it; tfjs-node 4.22 still calls it.
  (util as { isNullOrUndefined?: (value: unknown) => boolean }).isNullOrUndefined ??= (value) =>
    value == null;
  const require = createRequire(join(folder, 'package.json'));
  const binding = loadBinding(device, addon.path, require);
  if (device === 'node-gpu' && !binding.isUsingGpuDevice()) {
    throw unavailable(device, {
      expected: 'a GPU that TensorFlow can use',
      received: 'a GPU build of TensorFlow that lists no GPU',
      fix: 'Check that `nvidia-smi` shows a GPU and that its driver is at least as new as the CUDA of the build, or choose tfjs:node.',
    });
  }
  require('./dist/register_all_kernels.js');
  const { NodeJSKernelBackend } = require('./dist/nodejs_kernel_backend.js') as {
    NodeJSKernelBackend: new (binding: Binding, packageName: string) => KernelBackend;
  };
  const backend = new NodeJSKernelBackend(binding, nodePackage);
  tf.registerBackend(engineName, () => backend);
  await tf.setBackend(engineName);
  const tensorflow = addon.tensorflow ?? binding.TF_Version;
  const on = binding.isUsingGpuDevice() ? 'GPU' : 'CPU';
  const opened = {
    engineName,
    description: `TensorFlow ${tensorflow} on the ${on}`,
    versions: { tensorflow },
  };
  loaded = { device, opened };
  return opened;
}

/** @returns the folder of tfjs-node */
function requirePackage(device: NativeDevice): string {
  const folder = packageFolder(nodePackage);
  if (folder === undefined) {
    throw unavailable(device, {
      expected: `the package ${nodePackage}`,
      received: 'it is not installed',
      fix: buildCommand(kinds[device]),
    });
  }
  const { version } = createRequire(import.meta.url)(join(folder, 'package.json')) as { version: string };
  if (version === tfjsVersion) return folder;
  throw unavailable(device, {
    expected: `${nodePackage} ${tfjsVersion}`,
    received: version,
    fix: installCommand,
  });
}

function loadBinding(device: NativeDevice, path: string, require: NodeJS.Require): Binding {
  try {
    return require(path) as Binding;
  } catch (cause) {
    throw unavailable(device, {
      expected: `an addon for Node ${process.versions.node} on ${process.platform} ${process.arch}, and the libtensorflow that it was built for`,
      received: firstLine(cause),
      fix: buildCommand(kinds[device], '--force'),
      cause,
    });
  }
}

function unavailable(
  device: NativeDevice,
  details: Omit<ConstructorParameters<typeof BackendError>[1] & object, 'where'>,
): BackendError {
  return new BackendError(`tfjs:${device} is not available.`, { ...details, where: `tfjs:${device}` });
}
