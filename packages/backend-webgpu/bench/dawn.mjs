import { create, globals } from 'webgpu';

/*
 * One Dawn instance for all sides of a comparison, as `navigator.gpu`, where tfjs and the backend both look.
 * Asking for a second instance, losing this one to the garbage collector or deleting it from `navigator`
 * can crash the process; a global property keeps it.
 */
Object.assign(globalThis, globals);
globalThis.navigator ??= {};
Object.defineProperty(globalThis.navigator, 'gpu', {
  value: create(['enable-dawn-features=allow_unsafe_apis']),
  enumerable: true,
});
