import { create, globals } from 'webgpu';

/** The only reference to Dawn that tfjs does not hold: it crashes when it is collected before its devices. */
let dawn: GPU | undefined;

/**
 * Puts Dawn, from the package `webgpu`, where a browser has its own WebGPU: tfjs looks nowhere else. Asking for
 * a second Dawn in one process can crash it, so what is there already is left.
 */
export function provideWebgpu(): void {
  const { navigator } = globalThis as { navigator?: { gpu?: GPU } };
  if (navigator?.gpu !== undefined) return;
  Object.assign(globalThis, globals);
  dawn ??= create([]);
  const holder = navigator ?? {};
  Object.defineProperty(holder, 'gpu', { value: dawn, enumerable: true, configurable: true });
  if (navigator === undefined)
    Object.defineProperty(globalThis, 'navigator', { value: holder, configurable: true });
}
