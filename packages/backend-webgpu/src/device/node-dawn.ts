import { createRequire } from 'node:module';
import { create, globals } from 'webgpu';

/** Switches of Dawn. */
const toggles = [
  // Without it there are no subgroup matrices.
  'enable-dawn-features=allow_unsafe_apis',
  // Browsers round times to 0.1 ms against spying pages; many kernels are shorter.
  'disable-dawn-features=timestamp_quantization',
];

/**
 * Opens Dawn and makes its classes and constants global, as they are in a browser. Once per process.
 * @returns a `GpuEntry`
 */
export function openDawn(): {
  readonly gpu: GPU;
  readonly polls: true;
  readonly versions: Readonly<Record<string, string>>;
} {
  Object.assign(globalThis, globals);
  const { version } = createRequire(import.meta.url)('webgpu/package.json') as { version: string };
  return { gpu: create(toggles), polls: true, versions: { webgpu: version } };
}
