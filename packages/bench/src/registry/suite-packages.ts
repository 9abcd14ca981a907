import type { ResolveHook } from 'node:module';
import { register } from 'node:module';
import { sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/*
 * A plugin works with the suite that runs it: `@kora-bench/core/peft` in a plugin is the suite's own copy, also where
 * nothing is installed beside the plugin, so a method can be a single file in any folder. Other packages (zod) are
 * the plugin's own where it has them, and the suite's where it has not.
 */

/**
 * From where the modules that `parent` imports are looked for, in this order.
 * @param parent the URL of the importing module
 */
export function placesOf(specifier: string, parent: string | undefined): readonly (string | undefined)[] {
  const isPackage = !/^[./#]|^[a-z]+:/.test(specifier);
  if (!isPackage || !isSomeonesOwn(parent)) return [parent];
  return specifier.startsWith('@kora-bench/') ? [import.meta.url, parent] : [parent, import.meta.url];
}

/** Whether a module is neither the suite's nor an installed package's. */
function isSomeonesOwn(url: string | undefined): boolean {
  if (url === undefined || !url.startsWith('file:')) return false;
  const path = fileURLToPath(url);
  return !path.startsWith(suiteFolder) && !path.split(sep).includes('node_modules');
}

/** The folder that holds the suite's packages. */
const suiteFolder = fileURLToPath(new URL('../../../', import.meta.url));

let shared = false;

/** From now on, plugins get the suite's packages; for the whole process. */
export function shareSuitePackages(): void {
  if (shared) return;
  shared = true;
  // The hook runs in a thread of its own, which loads this module, as it is built, for its `resolve`.
  register(new URL('../../dist/registry/suite-packages.js', import.meta.url));
}

/** The hook for `module.register`. */
export const resolve: ResolveHook = async (specifier, context, nextResolve) => {
  let first: unknown;
  for (const place of placesOf(specifier, context.parentURL)) {
    try {
      return await nextResolve(specifier, { ...context, parentURL: place });
    } catch (error) {
      first ??= error;
    }
  }
  throw first;
};
