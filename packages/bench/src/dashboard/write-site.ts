import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '@kora-bench/core/errors';
import { z } from 'zod';
import { unwritable, writeOutput } from '../records/run-files.js';
import type { Site } from './site.js';

/** Lists the files of a site in its folder, so that the next one can take their place. */
const listFile = 'dashboard.json';
const listSchema = z.object({ files: z.array(z.string()) });

export interface WrittenSite {
  readonly files: number;
  readonly bytes: number;
}

/**
 * Writes a site into a folder. A site that was written there before is replaced: what it had and the new one has not is
 * removed. Each file is replaced as a whole.
 * @param wrote called for every file
 * @throws InputError where the folder has something else in it, or cannot be written
 */
export async function writeSite(
  folder: string,
  { files, images }: Site,
  wrote: (done: number) => void = () => undefined,
): Promise<WrittenSite> {
  const before = await filesBefore(folder);
  const written = new Set<string>();
  let bytes = 0;
  const write = async (path: string, content: string | Uint8Array) => {
    await writeOutput(join(folder, path), content);
    written.add(path);
    bytes += typeof content === 'string' ? Buffer.byteLength(content) : content.byteLength;
    wrote(written.size);
  };
  // First the list, with what will be there: a site that is cut off can then be written again.
  const listed = [...new Set([...before, ...files.keys()])];
  await writeOutput(join(folder, listFile), `${JSON.stringify({ files: listed })}\n`);
  for (const [path, make] of files) await write(path, await make());
  // The pages have said by now which images they show.
  for (const [path, make] of images) await write(path, await make());
  // GitHub Pages would leave out what begins with an underscore.
  await write('.nojekyll', '');
  await writeOutput(join(folder, listFile), `${JSON.stringify({ files: [...written].sort() })}\n`);
  for (const path of before)
    if (!written.has(path) && isInside(path)) await rm(join(folder, path), { force: true });
  return { files: written.size, bytes };
}

/** Nothing outside of the folder is removed, whatever a list says. */
const isInside = (path: string) => !path.startsWith('/') && !path.split(/[\\/]/).includes('..');

async function filesBefore(folder: string): Promise<readonly string[]> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw unwritable(folder, error);
  }
  if (names.length === 0) return [];
  const text = names.includes(listFile) ? await readFile(join(folder, listFile), 'utf8') : undefined;
  const list = text === undefined ? undefined : listSchema.safeParse(parsed(text)).data;
  if (list !== undefined) return list.files;
  throw new InputError('The folder has something else in it.', {
    where: folder,
    expected: `a folder that is new, empty or an earlier dashboard (with ${listFile})`,
    received: names.slice(0, 5).join(', '),
    fix: 'Choose another folder with --out.',
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
