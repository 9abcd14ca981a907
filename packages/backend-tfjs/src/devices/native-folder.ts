import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { dataFolders } from '@kora-bench/platform-node/data-folders';
import { z } from 'zod';
import { tfjsVersion } from './devices.js';

/** Which build of TensorFlow: the one for CPUs, or the one that takes NVIDIA's GPUs. */
export type NativeKind = 'cpu' | 'gpu';

/** The package whose JavaScript drives the addon. */
export const nodePackage = '@tensorflow/tfjs-node';

const manifestSchema = z.object({ tensorflow: z.string(), tfjs: z.string() });

/** What a finished build leaves beside the libraries. */
export type NativeManifest = z.infer<typeof manifestSchema>;

/** Where `kora-tfjs-native` builds: libraries and addon in `tensorflow/`, NVIDIA's libraries in `nvidia/`. */
export function nativeFolder(kind: NativeKind): string {
  return join(dataFolders().cacheDir, 'tfjs-native', `${tfjsVersion}-${kind}`);
}

export const addonFile = join('tensorflow', 'tfjs_binding.node');
export const manifestFile = 'native.json';

/** In a checkout of this repository, as opposed to a project that installed the package. */
const inCheckout = existsSync(new URL('../../../../pnpm-workspace.yaml', import.meta.url));

/** The command that builds the native engine, with what it needs before. */
export function buildCommand(kind: NativeKind, ...flags: readonly string[]): string {
  const all = [...(kind === 'gpu' ? ['--gpu'] : []), ...flags];
  if (inCheckout) return ['pnpm tfjs:native', ...all].join(' ');
  const build = ['npx kora-tfjs-native', ...all].join(' ');
  return packageFolder(nodePackage) === undefined ? `${installCommand} && ${build}` : build;
}

/** Gets tfjs-node's JavaScript and sources; its install script would download a library. */
export const installCommand = `npm install --ignore-scripts ${nodePackage}@${tfjsVersion}`;

/** An addon that can be loaded. */
export interface FoundAddon {
  readonly path: string;
  /** The version of TensorFlow, where it is known. */
  readonly tensorflow?: string;
}

/** The addon that was built here, or the one that came with an installed package of tfjs. */
export function findAddon(kind: NativeKind): FoundAddon | undefined {
  const folder = nativeFolder(kind);
  const manifest = readManifest(folder);
  if (manifest !== undefined) return { path: join(folder, addonFile), tensorflow: manifest.tensorflow };
  const installed = packageFolder(kind === 'cpu' ? nodePackage : `${nodePackage}-gpu`);
  if (installed === undefined) return undefined;
  // tfjs-node's own build names its folder by the version of Node's addon interface.
  const path = join(installed, 'lib', 'napi-v8', 'tfjs_binding.node');
  return existsSync(path) ? { path } : undefined;
}

/** The manifest of a finished build in `folder`. */
export function readManifest(folder: string): NativeManifest | undefined {
  const file = join(folder, manifestFile);
  if (!existsSync(file) || !existsSync(join(folder, addonFile))) return undefined;
  const read = manifestSchema.safeParse(parsed(readFileSync(file, 'utf8')));
  return read.success && read.data.tfjs === tfjsVersion ? read.data : undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The folder of an npm package as this package, or the working directory, would import it. */
export function packageFolder(name: string): string | undefined {
  for (const from of [import.meta.url, join(process.cwd(), 'package.json')]) {
    try {
      return dirname(createRequire(from).resolve(`${name}/package.json`));
    } catch {
      // Not installed there.
    }
  }
  return undefined;
}
