import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FormatError } from '@kora-bench/core/errors';
import { type ContentSource, openContent, rootByMarker } from '@kora-bench/datasets';
import { expect, test } from 'vitest';
import { tarOf, zipOf } from './support/archives.js';
import { failureOf } from './support/failure-of.js';
import { writeFiles } from './support/place-files.js';
import { temporaryFolder } from './support/temporary-folder.js';

const files = new Map([
  ['top/here/list.txt', Buffer.from('list')],
  ['top/here/b/2.bin', Buffer.alloc(700, 2)],
  ['top/here/a/1.bin', Buffer.alloc(300, 1)],
  ['top/here/a-c/3.bin', Buffer.alloc(0)],
  ['top/other/4.bin', Buffer.alloc(10, 4)],
]);
const selection = rootByMarker('list.txt');

/** The files in a folder, a zip and a tar archive. */
function places(): readonly string[] {
  const folder = temporaryFolder();
  const at = join(folder, 'unpacked');
  writeFiles(at, files);
  writeFiles(at, new Map([['top/here/.hidden/5.bin', Buffer.alloc(5)]]));
  writeFileSync(join(folder, 'packed.zip'), zipOf(files));
  writeFileSync(join(folder, 'packed.tar'), tarOf(files));
  return [at, join(folder, 'packed.zip'), join(folder, 'packed.tar')];
}

async function contents(source: ContentSource): Promise<[string, string][]> {
  const reader = await source.open();
  const found: [string, string][] = [];
  try {
    for (const [i, { path }] of source.entries.entries()) {
      found.push([path, Buffer.from(await reader.read(i)).toString('hex')]);
    }
    return found;
  } finally {
    await reader.close();
  }
}

test('a folder, a zip and a tar archive have the same files, in the order of a walk', async () => {
  const cacheDir = temporaryFolder();
  const sources = await Promise.all(places().map((place) => openContent(place, selection, cacheDir)));
  const expected = ['a/1.bin', 'a-c/3.bin', 'b/2.bin', 'list.txt'];
  for (const source of sources) {
    expect(source.root).toBe('top/here/');
    expect(source.entries.map(({ path }) => path)).toEqual(expected);
    expect(source.entries.map(({ size }) => size)).toEqual([300, 0, 700, 4]);
    expect(await contents(source)).toEqual(await contents(sources[0]!));
    expect(await source.checksums()).toEqual(await sources[0]!.checksums());
    const some = await source.checksums([3, 0]);
    expect(some).toEqual([(await source.checksums())[3], (await source.checksums())[0]]);
  }
});

test('the list of files of a tar archive is kept until the archive changes', async () => {
  const cacheDir = temporaryFolder();
  const tar = places()[2]!;
  await openContent(tar, selection, cacheDir);
  const kept = join(cacheDir, 'tar-index');
  expect(readdirSync(kept)).toHaveLength(1);
  const list = join(kept, readdirSync(kept)[0]!);
  writeFileSync(list, readFileSync(list, 'utf8').slice(0, 40));
  const again = await openContent(tar, selection, cacheDir);
  expect(again.entries).toHaveLength(4);
  writeFileSync(tar, tarOf(new Map([['list.txt', Buffer.from('new')]])));
  expect((await openContent(tar, selection, cacheDir)).entries).toHaveLength(1);
});

test('a tar archive that changes while it is open is noticed', async () => {
  const tar = places()[2]!;
  const source = await openContent(tar, selection, temporaryFolder());
  const { mtime, atime } = statSync(tar);
  const bytes = readFileSync(tar);
  bytes[bytes.indexOf(Buffer.alloc(300, 1)) + 7]! ^= 1;
  writeFileSync(tar, bytes);
  utimesSync(tar, atime, mtime);
  const failure = await failureOf(contents(source));
  expect(failure).toBeInstanceOf(FormatError);
  expect(failure.where).toBe(`${tar}: a/1.bin`);
});

test.each(['zip', 'tar'])('a %s archive cut short is named', async (ending) => {
  const path = places().find((place) => place.endsWith(ending))!;
  const bytes = readFileSync(path);
  writeFileSync(path, bytes.subarray(0, ending === 'zip' ? bytes.length - 50 : 1200));
  const failure = await failureOf(openContent(path, selection, temporaryFolder()));
  expect(failure).toBeInstanceOf(FormatError);
  expect(failure.where).toBe(path);
});

test('a marker that is not there, or twice, is reported', async () => {
  for (const place of places()) {
    const failure = await failureOf(openContent(place, rootByMarker('other.txt'), temporaryFolder()));
    expect(failure.expected).toBe('one file named other.txt');
    expect(failure.where).toBe(place);
  }
});
