import type { Dirent } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { FormatError } from '@kora-bench/core/errors';
import { isNotData } from './content-source.js';
import { unreadable } from './file-access.js';

/**
 * The paths of all that is no folder below a folder, links to folders followed. What a link names, and whether a path is a
 * file at all, is not looked at here: it does not matter where nobody wants it.
 *
 * @param enters tells which folders below it to enter
 * @throws FormatError when a folder cannot be listed, or links go in a circle
 */
export async function walkFolder(root: string, enters: (path: string) => boolean): Promise<string[]> {
  const files: string[] = [];
  /** @param around the real paths of this folder and of those that the walk came through */
  const walk = async (folder: string, around: readonly string[]): Promise<void> => {
    for (const child of await childrenOf(join(root, folder))) {
      if (isNotData(child.name)) continue;
      const path = folder === '' ? child.name : `${folder}/${child.name}`;
      const isFolder =
        child.isDirectory() || (child.isSymbolicLink() && (await leadsToFolder(join(root, path))));
      if (!isFolder) files.push(path);
      else if (enters(path)) {
        const real = child.isDirectory()
          ? join(around.at(-1)!, child.name)
          : await realpath(join(root, path));
        if (around.includes(real)) throw circle(join(root, path), real);
        await walk(path, [...around, real]);
      }
    }
  };
  await walk('', [await realpath(root)]);
  return files;
}

async function childrenOf(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    throw await unreadable(folder, error, 'a folder that can be listed');
  }
}

function leadsToFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

function circle(path: string, real: string): FormatError {
  return new FormatError('Links lead in a circle.', {
    where: path,
    expected: 'a link to a folder that does not lie around it',
    received: `a link to ${basename(real)}/, which the walk came through`,
    fix: 'Remove the link.',
  });
}
