/**
 * Deletes what an install brings along for other systems: onnxruntime-node and webgpu have the binaries of all of
 * them in one package. For images and small disks; an install that is to be used on several systems must keep them.
 *
 *     node scripts/remove-other-platforms.mjs
 */
import { readdirSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const { arch, platform } = process;

function sizeOf(path) {
  const found = statSync(path);
  return found.isDirectory()
    ? readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0)
    : found.size;
}

let freed = 0;
function keepOnly(folder, keeps) {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (!statSync(path).isDirectory() || keeps(name)) continue;
    freed += sizeOf(path);
    rmSync(path, { recursive: true });
  }
}

const folderOf = (name, user) =>
  dirname(createRequire(join(root, 'packages', user, 'package.json')).resolve(`${name}/package.json`));

const binaries = join(folderOf('onnxruntime-node', 'backend-ort'), 'bin', 'napi-v6');
keepOnly(binaries, (name) => name === platform);
keepOnly(join(binaries, platform), (name) => name === arch);
const builds = [`${platform}-${arch}`, `${platform}-universal`];
keepOnly(join(folderOf('webgpu', 'backend-webgpu'), 'dist'), (name) => builds.includes(name));
console.log(
  `${(freed / 1e6).toFixed(0)} MB of other systems' binaries are gone; ${platform} ${arch} is left.`,
);
