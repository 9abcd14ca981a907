import { BackendError, firstLine } from '@kora-bench/core/errors';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { Opened, OpenTfjs, Tfjs, TfjsDevice } from './devices.js';
import { inNode, npmFix } from './devices.js';
import { failure, outOfMemory } from './failures.js';
import { registerWasmSlice } from './wasm-slice.js';

/**
 * Loads tfjs and one of its engines.
 * @throws BackendError with the fix where that is not possible
 */
export async function openTfjs(device: TfjsDevice): Promise<OpenTfjs> {
  const tf = await import('@tensorflow/tfjs-core');
  // Its checks in every kernel, and its advice to use another engine.
  tf.enableProdMode();
  const opened = await open(device, tf);
  const { engineName } = opened;
  const engine = tf.engine();
  return {
    ...opened,
    device,
    versions: { tfjs: tf.version_core, ...opened.versions },
    engine() {
      // Of an engine that is initialised, this takes effect before the promise is returned.
      if (engine.backendName !== engineName) void engine.setBackend(engineName);
      return engine;
    },
    hasKernel: (name) => tf.getKernel(name, engineName) != null,
  };
}

async function open(device: TfjsDevice, tf: Tfjs): Promise<Opened> {
  switch (device) {
    case 'cpu':
      await import('@tensorflow/tfjs-backend-cpu');
      await start(device, tf, 'cpu');
      return { engineName: 'cpu', description: 'cpu (plain JavaScript, 1 thread)', versions: {} };
    case 'wasm':
      return openWasm(tf);
    case 'webgpu':
      return openWebgpu(tf);
    case 'node':
    case 'node-gpu': {
      if (!inNode) {
        throw new BackendError(`tfjs:${device} is not available in a page.`, {
          where: `tfjs:${device}`,
          expected: 'Node, which loads native libraries',
          received: 'a browser',
          fix: 'Choose webgpu or wasm.',
        });
      }
      // Bundlers for browsers must not follow this import: only Node has what it is of.
      const path: string = './open-native.js';
      const { openNative }: typeof import('./open-native.js') = await import(/* @vite-ignore */ path);
      return openNative(device, tf);
    }
  }
}

/** Initialises an engine that is registered under `name`. */
async function start(device: keyof typeof npmFix, tf: Tfjs, name: string): Promise<void> {
  let reason = 'it is not registered';
  try {
    if (await tf.setBackend(name)) return;
    reason = 'tfjs could not initialise it';
  } catch (cause) {
    reason = firstLine(cause);
  }
  throw new BackendError(`tfjs:${device} cannot be opened.`, {
    where: `tfjs:${device}`,
    expected: `an engine "${name}" of TensorFlow.js`,
    received: reason,
    fix: npmFix[device],
  });
}

async function openWasm(tf: Tfjs): Promise<Opened> {
  const { getThreadsCount } = await import('@tensorflow/tfjs-backend-wasm');
  await start('wasm', tf, 'wasm');
  registerWasmSlice(tf);
  const { wasm } = tf.engine().findBackend('wasm') as BackendWasm;
  guardAllocations(wasm as unknown as WasmModule);
  const simd = await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT');
  const threads = (await tf.env().getAsync('WASM_HAS_MULTITHREAD_SUPPORT')) ? getThreadsCount() : 1;
  const features = `${simd ? 'SIMD, ' : ''}${threads} thread${threads === 1 ? '' : 's'}`;
  return {
    engineName: 'wasm',
    description: `wasm (${features})`,
    versions: { features },
  };
}

interface WasmModule {
  _malloc(bytes: number): number;
  _free(address: number): void;
}

const guarded = new WeakSet<WasmModule>();

/**
 * The module's allocator answers with 0 where it has nothing left, and takes sizes modulo 2³²; kernels would then
 * write over what is at the start of the memory.
 */
function guardAllocations(module: WasmModule): void {
  if (guarded.has(module)) return;
  guarded.add(module);
  // The first call replaces the function by the module's own.
  module._free(module._malloc(1));
  const allocate = module._malloc;
  module._malloc = (bytes) => {
    const address = bytes < 2 ** 32 ? allocate(bytes) : 0;
    if (address === 0 && bytes > 0)
      throw outOfMemory('wasm', 'an allocation', `no room for ${bytes} bytes in the memory of WebAssembly`);
    return address;
  };
}

async function openWebgpu(tf: Tfjs): Promise<Opened> {
  if (inNode) {
    // As for the native engine.
    const path: string = './node-dawn.js';
    const { provideWebgpu }: typeof import('./node-dawn.js') = await import(/* @vite-ignore */ path);
    provideWebgpu();
  }
  await import('@tensorflow/tfjs-backend-webgpu');
  await start('webgpu', tf, 'webgpu');
  const backend = tf.engine().findBackend('webgpu') as WebGPUBackend;
  const { device, adapterInfo } = backend as unknown as WebgpuParts;
  let failed: unknown;
  device.addEventListener('uncapturederror', ({ error }) => {
    failed ??= new Error(error.message);
  });
  void device.lost.then(({ message, reason }) => {
    if (reason !== 'destroyed') failed ??= new Error(`the device was lost: ${message}`);
  });
  const description = describe(adapterInfo ?? {});
  return {
    engineName: 'webgpu',
    description,
    versions: { adapter: description },
    async finish() {
      if ((backend as unknown as WebgpuParts).commandEncoder) {
        (backend as unknown as WebgpuParts).endComputePassEncoder();
        backend.submitQueue();
      }
      await device.queue.onSubmittedWorkDone();
      const cause = failed;
      failed = undefined;
      if (cause !== undefined) throw failure('webgpu', 'a run', cause);
    },
  };
}

/** What tfjs's WebGPU engine is made of, in the types of the platform. */
interface WebgpuParts {
  readonly device: GPUDevice;
  readonly adapterInfo?: Partial<GPUAdapterInfo>;
  /** Absent while there is nothing to submit. */
  readonly commandEncoder?: GPUCommandEncoder | null;
  endComputePassEncoder(): void;
}

function describe({ vendor, architecture, device, description }: Partial<GPUAdapterInfo>): string {
  const name = [vendor, architecture || device].filter(Boolean).join(' ');
  return description || name || 'unnamed GPU';
}
