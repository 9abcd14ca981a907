import { FormatError, KoraError } from '@kora-bench/core/errors';
import type { Dataset as Hdf5Dataset, File as Hdf5File } from 'h5wasm';
import type { ExampleReader, ExampleStore } from '../split/stored-split.js';

/*
 * `nyu_depth_v2_labeled.mat`, which is HDF5 (MATLAB 7.3). MATLAB's dimensions come in reverse: images are
 * `[n, 3, 640, 480]` bytes, depths `[n, 640, 480]` float32 metres, so that rows of pixels are their last
 * dimension. One example is read at a time, wherever it lies in the 2.8 GB.
 */

const height = 480;
const width = 640;
const plane = height * width;

/** Deflate, shuffle and checksum: what MATLAB writes and h5wasm decodes. */
const knownFilters = [1, 2, 3];

interface OpenedFile {
  readonly file: Hdf5File;
  readonly images: Hdf5Dataset;
  readonly depths: Hdf5Dataset;
}

/**
 * How many examples the file has.
 *
 * @throws FormatError when it is truncated, lacks a data set, or has one of another shape, type or compression
 */
export async function countExamples(path: string): Promise<number> {
  const opened = await openFile(path);
  const [count] = opened.images.shape!;
  closeQuietly(opened.file);
  return count!;
}

/** The examples `chosen` (from 0) of the file, in this order. */
export function labelledFileStore(path: string, chosen: readonly number[]): ExampleStore {
  return {
    async open(): Promise<ExampleReader> {
      const opened = await openFile(path);
      const where = (index: number) => `${path}: example ${chosen[index]! + 1}`;
      return {
        where,
        async read(index) {
          const example = chosen[index]!;
          const read = (from: Hdf5Dataset, dimensions: number) =>
            readSlice(
              from,
              [[example, example + 1], ...Array.from({ length: dimensions }, () => [])],
              where(index),
            );
          const image = read(opened.images, 3) as Uint8Array;
          const depth = read(opened.depths, 2) as Float32Array;
          return {
            image: { kind: 'rgb', bytes: turnedImage(image), height, width },
            depth: { kind: 'metres', metres: turnedDepth(depth), height, width },
          };
        },
        async close() {
          closeQuietly(opened.file);
        },
      };
    },
  };
}

/** `[3, W, H]` to `[H, W, 3]`. */
function turnedImage(stored: Uint8Array): Uint8Array {
  const pixels = new Uint8Array(3 * plane);
  for (let channel = 0; channel < 3; channel++) {
    for (let x = 0; x < width; x++) {
      const column = channel * plane + x * height;
      for (let y = 0; y < height; y++) pixels[3 * (y * width + x) + channel] = stored[column + y]!;
    }
  }
  return pixels;
}

/** `[W, H]` to `[H, W]`. */
function turnedDepth(stored: Float32Array): Float32Array {
  const metres = new Float32Array(plane);
  for (let x = 0; x < width; x++) {
    for (let y = 0; y < height; y++) metres[y * width + x] = stored[x * height + y]!;
  }
  return metres;
}

async function openFile(path: string): Promise<OpenedFile> {
  const file = await openHdf5(path);
  try {
    const images = requireDataset(file, path, 'images', { dimensions: [3, width, height], dtype: '<B' });
    const depths = requireDataset(file, path, 'depths', { dimensions: [width, height], dtype: '<f' });
    if (images.shape![0] !== depths.shape![0]) {
      throw wrongFile(path, 'as many depths as images', `${depths.shape![0]} and ${images.shape![0]}`);
    }
    return { file, images, depths };
  } catch (error) {
    closeQuietly(file);
    if (error instanceof KoraError) throw error;
    throw unreadable(path, error);
  }
}

/** What a damaged file does not let go of ends with the process. */
function closeQuietly(file: Hdf5File): void {
  try {
    file.close();
  } catch {
    return;
  }
}

async function openHdf5(path: string): Promise<Hdf5File> {
  const { default: h5wasm, ready } = await import('h5wasm/node');
  const module = await ready;
  // Without this, failures are printed and go on as invalid handles.
  module.activate_throwing_error_handler();
  try {
    return new h5wasm.File(path, 'r');
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

function unreadable(path: string, cause: unknown): FormatError {
  return new FormatError('The file of NYU Depth V2 cannot be opened.', {
    where: path,
    expected: 'a whole MATLAB 7.3 (HDF5) file',
    received: firstReason(cause),
    fix: 'Download it again (2.8 GB); an interrupted download leaves a truncated file.',
    cause,
  });
}

function requireDataset(
  file: Hdf5File,
  path: string,
  name: string,
  wanted: { readonly dimensions: readonly number[]; readonly dtype: string },
): Hdf5Dataset {
  if (!file.keys().includes(name)) {
    throw wrongFile(path, `a data set ${name}`, file.keys().join(', ') || 'none');
  }
  const found = file.get(name) as Hdf5Dataset;
  const { dimensions, dtype } = wanted;
  const shape = found.shape ?? [];
  if (shape.length !== dimensions.length + 1 || dimensions.some((size, i) => shape[i + 1] !== size)) {
    throw wrongFile(path, `${name} of the shape [n, ${dimensions.join(', ')}]`, `[${shape.join(', ')}]`);
  }
  if (found.dtype !== dtype) {
    throw wrongFile(path, `${name} of the type ${dtype}`, JSON.stringify(found.dtype));
  }
  const unknown = found.filters.find(({ id }) => !knownFilters.includes(id));
  if (unknown !== undefined) {
    throw wrongFile(path, `${name} compressed by deflate`, `the filter ${unknown.name} (${unknown.id})`);
  }
  return found;
}

function readSlice(from: Hdf5Dataset, ranges: number[][], where: string): unknown {
  try {
    return from.slice(ranges as [number, number][]);
  } catch (cause) {
    throw new FormatError('An example of NYU Depth V2 cannot be read.', {
      where,
      expected: 'whole chunks of data',
      received: firstReason(cause),
      fix: 'Download the file again (2.8 GB).',
      cause,
    });
  }
}

function wrongFile(path: string, expected: string, received: string): FormatError {
  return new FormatError('This is not the labelled file of NYU Depth V2.', {
    where: path,
    expected,
    received,
    fix: 'Download nyu_depth_v2_labeled.mat again.',
  });
}

/** HDF5 gives a trace of calls, outermost first; the last one knows why it failed. */
function firstReason(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  const calls = [...text.matchAll(/^ *#\d+: .*?\(\): (.*)$/gm)].map(([, reason]) => reason!);
  return calls.at(-1) ?? text;
}
