import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { FormatError } from '@kora-bench/core/errors';
import { unreadable } from './file-access.js';

/*
 * What an archive is, by its content: browsers unzip a .tar.gz and keep its name, and a page of a server may be named .zip.
 */

export type ArchiveKind =
  | 'zip'
  | 'tar'
  | 'gzip'
  | 'zstd'
  | 'xz'
  | 'bzip2'
  | '7z'
  | 'rar'
  | 'lz4'
  | 'zip-part'
  | 'page';

const signatures: readonly (readonly [ArchiveKind, string])[] = [
  ['zip', 'PK\x03\x04'],
  ['zip', 'PK\x05\x06'],
  ['zip-part', 'PK\x07\x08'],
  ['gzip', '\x1f\x8b'],
  ['zstd', '\x28\xb5\x2f\xfd'],
  ['xz', '\xfd7zXZ\0'],
  ['bzip2', 'BZh'],
  ['7z', '7z\xbc\xaf\x27\x1c'],
  ['rar', 'Rar!'],
  ['lz4', '\x04\x22\x4d\x18'],
  ['page', '<!DOCTYPE'],
  ['page', '<!doctype'],
  ['page', '<html'],
];

const headerBytes = 512;

/**
 * What the file at `location` is; undefined where nothing tells.
 *
 * @throws FormatError when it cannot be read
 */
export async function archiveKind(location: string): Promise<ArchiveKind | undefined> {
  const header = new Uint8Array(headerBytes);
  let length: number;
  try {
    const file = await open(location);
    try {
      length = (await file.read(header, 0, headerBytes, 0)).bytesRead;
    } finally {
      await file.close();
    }
  } catch (error) {
    throw await unreadable(location, error);
  }
  const found = signatures.find(([, signature]) =>
    [...signature].every((character, i) => header[i] === character.charCodeAt(0)),
  );
  if (found !== undefined) return found[0];
  return length === headerBytes && isTarHeader(header) ? 'tar' : undefined;
}

/** By the checksum of its bytes, with spaces in its own place: tars older than POSIX have no other mark. */
function isTarHeader(header: Uint8Array): boolean {
  const field = String.fromCharCode(...header.subarray(148, 156))
    .replace(/\0.*$/s, '')
    .trim();
  const sum = header.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 32 : byte), 0);
  return /^[0-7]+$/.test(field) && Number.parseInt(field, 8) === sum;
}

const programs: Readonly<Partial<Record<ArchiveKind, string>>> = {
  gzip: 'gunzip',
  zstd: 'unzstd',
  xz: 'unxz',
  bzip2: 'bunzip2',
  lz4: 'unlz4',
};

/** The error for an archive that is not read in place: what it is, and how to unpack it. */
export function notReadInPlace(location: string, kind: ArchiveKind | undefined): FormatError {
  const name = basename(location);
  const fail = (received: string, fix: string) =>
    new FormatError('This is not an archive that can be read in place.', {
      where: location,
      expected: 'a folder, or a .zip or .tar archive',
      received,
      fix,
    });
  switch (kind) {
    case undefined:
    case 'zip':
    case 'tar':
      return fail('another file', 'Give the folder or the archive that the images are in.');
    case 'page':
      return fail('a web page', 'Download it again: a server answered with a page instead of the archive.');
    case 'zip-part':
      return fail('one part of a zip archive in several', joinParts(name));
    case '7z':
    case 'rar':
      return fail(
        `a ${kind === 'rar' ? 'RAR' : '7-Zip'} archive`,
        `Unpack it (${kind === 'rar' ? 'unrar x' : '7z x'} ${name}), and give the folder.`,
      );
    default: {
      const isTar = /\.(?:tar\.\w+|t(?:gz|bz2?|xz|zst))$/i.test(name);
      const unpack = isTar ? `tar -xf ${name}` : `${programs[kind]} ${name}`;
      return fail(
        `a file compressed by ${kind}, which allows no random access`,
        `Unpack it (${unpack}), and give the folder or the .tar archive that comes out.`,
      );
    }
  }
}

/** How parts of a zip archive become one. */
export function joinParts(name: string): string {
  return `Join all its parts first (zip -s 0 ${name} --out whole.zip), or unpack them and give the folder.`;
}
