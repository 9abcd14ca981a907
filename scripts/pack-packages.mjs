/**
 * Packs every package as it would be published: dependencies inside the workspace become versions. Needs built packages.
 *
 *     node scripts/pack-packages.mjs [FOLDER]     (by default: tarballs)
 *
 * A project elsewhere then installs them: npm install FOLDER/*.tgz
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The folders below `packages/` that are published. */
export function publishedPackages() {
  return readdirSync(join(root, 'packages')).filter((folder) => {
    const manifest = join(root, 'packages', folder, 'package.json');
    return existsSync(manifest) && !JSON.parse(readFileSync(manifest, 'utf8')).private;
  });
}

/** Packs one package into a folder; the path of its archive. */
export function pack(folder, out) {
  mkdirSync(out, { recursive: true });
  const packed = execFileSync(
    'npx',
    ['-y', 'pnpm@10.34.8', 'pack', '--json', '--pack-destination', resolve(out)],
    {
      cwd: join(root, 'packages', folder),
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  return JSON.parse(packed).filename;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const out = resolve(process.argv[2] ?? join(root, 'tarballs'));
  for (const folder of publishedPackages()) console.log(pack(folder, out));
}
