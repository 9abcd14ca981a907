import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { openContent, rootByMarker } from '@kora-bench/datasets';
import { describe, expect, test } from 'vitest';
import { tarOf, zipOf } from './support/archives.js';
import { failureOf } from './support/failure-of.js';
import { temporaryFolder } from './support/temporary-folder.js';

const files = new Map([
  ['list.txt', Buffer.from('list')],
  ['a/1.bin', Buffer.alloc(700, 1)],
  ['b/2.bin', Buffer.from('another file')],
]);
const selection = rootByMarker('list.txt');

function placed(name: string, bytes: Uint8Array): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, bytes);
  return path;
}

const open = (name: string, bytes: Uint8Array) =>
  openContent(placed(name, bytes), selection, temporaryFolder());

async function contentsOf(name: string, bytes: Uint8Array): Promise<Record<string, string>> {
  const source = await open(name, bytes);
  const reader = await source.open();
  const found: Record<string, string> = {};
  for (const [i, { path }] of source.entries.entries()) {
    found[path] = Buffer.from(await reader.read(i)).toString('latin1');
  }
  await reader.close();
  return found;
}

const expected = Object.fromEntries([...files].map(([path, bytes]) => [path, bytes.toString('latin1')]));
const latin1 = (text: string) => Buffer.from(text, 'latin1');

/** An archive with a field of every local header and of every line of the directory set. */
function withField(at: { local: number; central: number }, value: number): Buffer {
  const bytes = zipOf(files);
  for (let i = 0; i < bytes.length - 4; i++) {
    const signature = bytes.readUInt32LE(i);
    if (signature === 0x04_03_4b_50) bytes.writeUInt16LE(value, i + at.local);
    if (signature === 0x02_01_4b_50) bytes.writeUInt16LE(value, i + at.central);
  }
  return bytes;
}

describe('an archive is what its content says, not its name', () => {
  test.each([
    ['a zip named .tar', 'x.tar', zipOf(files)],
    ['a tar named .zip', 'x.zip', tarOf(files)],
    ['a .tar.gz that a browser has unzipped', 'x.tar.gz', tarOf(files)],
    ['a zip without an ending', 'x', zipOf(files)],
    [
      'a zip behind a program that extracts it',
      'x.exe',
      Buffer.concat([latin1('MZ'), Buffer.alloc(5000, 7), zipOf(files)]),
    ],
    ['a zip with bytes left behind it', 'x.zip', Buffer.concat([zipOf(files), Buffer.alloc(900)])],
    ['a zip with a comment', 'x.zip', withComment('PK\x05\x06 is not the end')],
  ] as const)('%s is read', async (_, name, bytes) => {
    expect(await contentsOf(name, bytes)).toEqual(expected);
  });

  function withComment(text: string): Buffer {
    const bytes = Buffer.concat([zipOf(files), latin1(text)]);
    bytes.writeUInt16LE(text.length, bytes.length - text.length - 2);
    return bytes;
  }
});

describe('an archive that is not read says what it is, and how to unpack it', () => {
  test.each([
    ['x.tar.gz', gzipSync(tarOf(files)), /compressed by gzip/, /tar -xf x\.tar\.gz/],
    ['x.tgz', gzipSync(tarOf(files)), /compressed by gzip/, /tar -xf x\.tgz/],
    ['x.tar.zst', latin1('\x28\xb5\x2f\xfd....'), /compressed by zstd/, /tar -xf/],
    ['x.tar.xz', latin1('\xfd7zXZ\0...'), /compressed by xz/, /tar -xf/],
    ['x.tar.bz2', latin1('BZh91AY&SY'), /compressed by bzip2/, /tar -xf/],
    ['x.zip.gz', gzipSync(zipOf(files)), /compressed by gzip/, /gunzip x\.zip\.gz/],
    ['x.7z', latin1('7z\xbc\xaf\x27\x1c'), /7-Zip/, /7z x x\.7z/],
    ['x.rar', latin1('Rar!\x1a\x07'), /RAR/, /unrar x x\.rar/],
    ['x.zip', latin1('<!DOCTYPE html><p>Too many requests'), /a web page/, /Download it again/],
    ['x.z01', latin1('PK\x07\x08PK\x03\x04'), /one part/, /Join all its parts/],
    ['x.bin', latin1('something else'), /another file/, /Give the folder/],
  ])('%s', async (name, bytes, received, fix) => {
    const failure = await failureOf(open(name, bytes));
    expect(failure.received).toMatch(received);
    expect(failure.fix).toMatch(fix);
    expect(failure.explain()).not.toMatch(/interrupted/);
  });
});

describe('a zip archive with something in it that is not read', () => {
  const isEncrypted = { local: 6, central: 8 };
  const method = { local: 8, central: 10 };

  test.each([
    ['Deflate64', withField(method, 9), /Deflate64/, /^Unpack x\.zip, and give the folder/],
    ['Zstandard', withField(method, 93), /Zstandard/, /^Unpack/],
    ['a password', withField(isEncrypted, 1), /encrypted/, /password/],
    ['several disks', inSeveralDisks(), /last of its parts/, /zip -s 0 x\.zip/],
    ['links', withField({ local: 4, central: 40 }, 0xa1ff), /a link/, /zip without -y/],
    ['a path that leads out', withPath('../../x.bin'), /\.\.\/\.\.\/x\.bin/, /relative path/],
    [
      'a bomb',
      zipOf(new Map([...files].slice(0, 1).concat([['a/1.bin', Buffer.alloc(70 * 2 ** 20)]]))),
      /become 73400320/,
      /if you trust it/,
    ],
    ['an impossible size', claiming(0xff_ff_ff_00), /4294967040/, /again/],
  ])('%s: the true reason', async (_, bytes, received, fix) => {
    const failure = await failureOf(open('x.zip', bytes));
    expect(failure.received).toMatch(received);
    expect(failure.fix).toMatch(fix);
    expect(failure.explain()).not.toMatch(/interrupted/);
  });

  function inSeveralDisks(): Buffer {
    const bytes = zipOf(files);
    bytes.writeUInt16LE(2, bytes.length - 18);
    return bytes;
  }

  function withPath(path: string): Buffer {
    return zipOf(new Map([...files, [path, Buffer.from('x')]]));
  }

  /** An archive of a second, deflated file that claims to be of this size. */
  function claiming(size: number): Buffer {
    const bytes = zipOf(files);
    bytes.writeUInt32LE(size, bytes.lastIndexOf('a/1.bin') - 46 + 24);
    return bytes;
  }

  test('does not matter where nobody wants it', async () => {
    const bytes = zipOf(
      new Map([...files, ['.hidden/x.bin', Buffer.from('x')], ['__MACOSX/._1.bin', Buffer.from('x')]]),
    );
    bytes.writeUInt16LE(9, bytes.lastIndexOf('.hidden/x.bin') - 46 + 10);
    expect(await contentsOf('x.zip', bytes)).toEqual(expected);
  });
});

test('names in UTF-8 are read as such, also where Info-ZIP does not say that they are', async () => {
  const named = new Map([...files, ['кошки 猫/é.bin', Buffer.from('x')]]);
  expect(Object.keys(await contentsOf('x.zip', zipOf(named)))).toContain('кошки 猫/é.bin');
});

test('of two files with one path the later one counts, in a zip and in a tar', async () => {
  const twice = (pack: typeof zipOf) => {
    const bytes = pack(new Map([...files, ['a/9.bin', Buffer.from('new')]]));
    // The same name in local header, directory and tar header; tar's checksum of the header follows.
    return Buffer.from(bytes.toString('latin1').replaceAll('a/9.bin', 'a/1.bin'), 'latin1');
  };
  expect((await contentsOf('x.zip', twice(zipOf)))['a/1.bin']).toBe('new');
  const tar = Buffer.concat([
    tarOf(files).subarray(0, -1024),
    tarOf(new Map([['a/1.bin', Buffer.from('new')]])),
  ]);
  expect((await contentsOf('x.tar', tar))['a/1.bin']).toBe('new');
});

test('files that a tar stores as links to others are there', async () => {
  const link = (path: string, to: string, type: '1' | '2') => {
    const bytes = tarOf(new Map([[path, Buffer.alloc(0)]])).subarray(0, 512);
    bytes.write(type, 156);
    bytes.write(to, 157);
    bytes.fill(' ', 148, 156);
    const sum = bytes.reduce((total, byte) => total + byte, 0);
    bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return bytes;
  };
  const tar = Buffer.concat([
    link('c/symbolic.bin', '../c/hard.bin', '2'),
    tarOf(files).subarray(0, -1024),
    link('c/hard.bin', 'b/2.bin', '1'),
    Buffer.alloc(1024),
  ]);
  const found = await contentsOf('x.tar', tar);
  expect(found).toEqual({ ...expected, 'c/hard.bin': 'another file', 'c/symbolic.bin': 'another file' });
});
