/*
 * What runs in Node alone. A bundler for browsers cannot follow these imports, because it does not see what
 * is imported.
 */

/** How Dawn is opened. */
export function importDawn(): Promise<typeof import('./node/dawn.js')> {
  const path: string = './node/dawn.js';
  return import(/* @vite-ignore */ path);
}

/** How a driver is tried in a process of its own. */
export function importDriverTrial(): Promise<typeof import('./node/try-driver.js')> {
  const path: string = './node/try-driver.js';
  return import(/* @vite-ignore */ path);
}

/** Where the tiles that were found for a device are kept. */
export function importTileFile(): Promise<typeof import('./node/tile-file.js')> {
  const path: string = './node/tile-file.js';
  return import(/* @vite-ignore */ path);
}
