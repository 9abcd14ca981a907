import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { DataContext, ImageDataset, ImageSplit } from '@kora-bench/core/data';
import { FormatError } from '@kora-bench/core/errors';
import { readWhole, unreadable } from '../content/file-access.js';
import { exists } from '../content/open-content.js';
import { type ExampleStore, storedSplit } from '../split/stored-split.js';
import type { CifarFiles, CifarVariant } from './files.js';

/** @throws FormatError when a file is missing or damaged. */
export async function openCifar(
  files: CifarFiles,
  variant: CifarVariant,
  context: DataContext,
): Promise<ImageDataset> {
  const classNames = await readClassNames(files, variant);
  const build = async (split: 'train' | 'test', names: readonly string[]): Promise<ImageSplit> => {
    const records = [];
    for (const name of names) records.push(await scanRecordFile(files, name, variant));
    const count = records.reduce((sum, { labels }) => sum + labels.length, 0);
    const labels = new Int32Array(count);
    const paths: string[] = [];
    for (const record of records) {
      labels.set(record.labels, paths.length);
      for (let i = 0; i < record.labels.length; i++) paths.push(`${record.name}/${i}`);
    }
    const official = variant.official[split];
    const part = `This is a part of ${variant.name}: ${count} of the ${official} images of ${split}.`;
    return storedSplit(
      {
        dataset: variant.name,
        split,
        targets: { label: { classNames, labels } },
        paths,
        content: records.map(({ sha256 }) => sha256).join(' '),
        notes: count === official ? [] : [part],
        store: recordImages(files, records, variant),
      },
      context.cacheDir,
    );
  };
  return {
    name: variant.name,
    train: await build('train', variant.trainFiles),
    test: await build('test', [variant.testFile]),
  };
}

async function readClassNames(files: CifarFiles, variant: CifarVariant): Promise<readonly string[]> {
  const path = join(files.folder, variant.namesFile);
  const text = (await exists(path)) ? (await readWhole(path)).toString() : '';
  const names = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  if (names.length === variant.classes) return names;
  throw new FormatError('The class names of CIFAR are damaged or missing.', {
    where: `${files.location}: ${variant.namesFile}`,
    expected: `${variant.classes} lines`,
    received: `${names.length} lines`,
    fix: `Download or unpack ${variant.officialArchive} again.`,
  });
}

const imageSide = 32;
const planePixels = imageSide * imageSide;
const pixelBytes = 3 * planePixels;

/** One binary file: records of the label bytes and then 3072 pixels, channel by channel. */
interface RecordFile {
  readonly name: string;
  readonly labels: Uint8Array;
  /** SHA-256 (hex) of the file. */
  readonly sha256: string;
}

/** @throws FormatError when the file is missing, of a wrong size or has a label out of range. */
async function scanRecordFile(files: CifarFiles, name: string, variant: CifarVariant): Promise<RecordFile> {
  const path = join(files.folder, name);
  const where = `${files.location}: ${name}`;
  const recordBytes = variant.labelBytes + pixelBytes;
  const size = await sizeOf(path, where, variant);
  if (size === 0 || size % recordBytes !== 0) {
    throw new FormatError('A CIFAR file has a wrong size.', {
      where,
      expected: `a multiple of ${recordBytes} bytes (one record)`,
      received: `${size} bytes`,
      fix: `Download ${variant.officialArchive} again; an interrupted download leaves a truncated file.`,
    });
  }
  const labels = new Uint8Array(size / recordBytes);
  const hash = createHash('sha256');
  let position = 0;
  for await (const bytes of chunksOf(path)) {
    hash.update(bytes);
    let record = Math.max(0, Math.ceil((position - variant.labelAt) / recordBytes));
    for (; record < labels.length; record++) {
      const at = record * recordBytes + variant.labelAt - position;
      if (at >= bytes.length) break;
      labels[record] = bytes[at]!;
    }
    position += bytes.length;
  }
  const wrong = labels.findIndex((label) => label >= variant.classes);
  if (wrong >= 0) {
    throw new FormatError('A CIFAR record has a label out of range.', {
      where: `${where}, record ${wrong}`,
      expected: `a label from 0 to ${variant.classes - 1}`,
      received: String(labels[wrong]),
      fix: `Download ${variant.officialArchive} again.`,
    });
  }
  return { name, labels, sha256: hash.digest('hex') };
}

async function* chunksOf(path: string): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) yield chunk as Buffer;
  } catch (error) {
    throw await unreadable(path, error);
  }
}

async function sizeOf(path: string, where: string, variant: CifarVariant): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw await unreadable(path, cause);
    throw new FormatError('A CIFAR file is missing.', {
      where,
      expected: 'a file of the official archive',
      received: 'none',
      fix: `Download or unpack ${variant.officialArchive} again.`,
      cause,
    });
  }
}

/** The records of several files, one after the other, as 32 × 32 images. */
function recordImages(
  files: CifarFiles,
  records: readonly RecordFile[],
  variant: CifarVariant,
): ExampleStore {
  const recordBytes = variant.labelBytes + pixelBytes;
  const locate = (index: number): { file: number; record: number } => {
    let record = index;
    let file = 0;
    while (record >= records[file]!.labels.length) {
      record -= records[file]!.labels.length;
      file++;
    }
    return { file, record };
  };
  const where = (index: number): string => {
    const { file, record } = locate(index);
    return `${files.location}: ${records[file]!.name}, record ${record}`;
  };
  return {
    async open() {
      const handles: FileHandle[] = [];
      for (const { name } of records) {
        const path = join(files.folder, name);
        handles.push(
          await open(path).catch(async (error) => {
            throw await unreadable(path, error);
          }),
        );
      }
      return {
        where,
        async read(index) {
          const { file, record } = locate(index);
          const planes = new Uint8Array(pixelBytes);
          const position = record * recordBytes + variant.labelBytes;
          const { bytesRead } = await handles[file]!.read(planes, 0, pixelBytes, position);
          if (bytesRead === pixelBytes) {
            const bytes = interleave(planes);
            return { image: { kind: 'rgb', bytes, height: imageSide, width: imageSide } };
          }
          throw new FormatError('A CIFAR file became shorter while it was read.', {
            where: where(index),
            expected: `${pixelBytes} bytes`,
            received: `${bytesRead} bytes`,
            fix: 'Leave the data folder unchanged during a run.',
          });
        },
        async close() {
          for (const handle of handles.splice(0)) await handle.close();
        },
      };
    },
  };
}

/** `[3, H, W]` to `[H, W, 3]`. */
function interleave(planes: Uint8Array): Uint8Array {
  const pixels = new Uint8Array(pixelBytes);
  for (let i = 0; i < planePixels; i++) {
    pixels[3 * i] = planes[i]!;
    pixels[3 * i + 1] = planes[planePixels + i]!;
    pixels[3 * i + 2] = planes[2 * planePixels + i]!;
  }
  return pixels;
}
