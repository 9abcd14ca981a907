import { readFileSync } from 'node:fs';
import type { Interpolation } from '@kora-bench/core/data';

/**
 * Resizing of 8-bit RGB images with the same bits as Pillow's `Image.resize`, the resampler that the
 * published accuracies of timm's checkpoints were measured with.
 *
 * Source: the algorithm of Pillow 13's `src/libImaging/Resample.c` (8 bits per channel): a separable
 * convolution whose filter is stretched by the scale when shrinking
 * (antialiasing), with weights in fixed point. libvips aligns pixels differently when enlarging, so
 * its result cannot stand in for this one.
 */

/** 1 as a weight. The bits after the point are 32 less 8 for the pixel and 2 for the overshoot of the filter. */
const fixedOne = 1 << 22;

interface Filter {
  readonly support: number;
  /** @param distance to the centre, signed: the box is open on one side */
  weight(distance: number): number;
}

const filters: Readonly<Record<Exclude<Interpolation, 'nearest'>, Filter>> = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: {
    support: 1,
    weight(distance) {
      const x = Math.abs(distance);
      return x < 1 ? 1 - x : 0;
    },
  },
  // Keys' cubic convolution kernel (1981) with a = -0.5, the Catmull-Rom spline.
  bicubic: {
    support: 2,
    weight(distance) {
      const a = -0.5;
      const x = Math.abs(distance);
      if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
      if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
      return 0;
    },
  },
  hamming: {
    support: 1,
    weight(distance) {
      const x = Math.abs(distance);
      // Pillow's two constants are of single precision.
      return x < 1 ? sinc(x) * (Math.fround(0.54) + Math.fround(0.46) * Math.cos(x * Math.PI)) : 0;
    },
  },
  lanczos: {
    support: 3,
    weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0),
  },
};

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
}

/** Where output positions are read, and with which weights. */
interface Taps {
  /** The first input position that is read, and how many there are from it to the last one. */
  readonly first: number;
  readonly span: number;
  /** As `assembly/pillow-resample.ts` reads it; positions count from `first`. */
  readonly table: Uint8Array;
}

/** Bytes of the table's head, of a record's and of two taps; bits of the low half of a weight. */
const tableHead = 8;
const recordHead = 8;
const pairBytes = 8;
const lowBits = 11;

/** Taps of the output positions `from … from + length - 1` of a resize from `inSize` to `outSize`. */
function computeTaps(
  inSize: number,
  outSize: number,
  { from, length }: { readonly from: number; readonly length: number },
  filter: Filter,
): Taps {
  const scale = inSize / outSize;
  const filterScale = Math.max(scale, 1);
  const support = filter.support * filterScale;
  const width = Math.ceil(support) * 2 + 1;
  const stride = recordHead + Math.ceil(width / 2) * pairBytes;
  const table = new DataView(new ArrayBuffer(tableHead + length * stride));
  table.setInt32(0, length, true);
  table.setInt32(4, stride, true);
  const real = new Float64Array(width);
  let [first, end] = [0, 0];
  for (let i = 0; i < length; i++) {
    const centre = (from + i + 0.5) * scale;
    const start = Math.max(Math.trunc(centre - support + 0.5), 0);
    const count = Math.min(Math.trunc(centre + support + 0.5), inSize) - start;
    if (i === 0) first = start;
    end = start + count;
    let total = 0;
    for (let k = 0; k < count; k++) {
      const weight = filter.weight((k + start - centre + 0.5) * (1 / filterScale));
      real[k] = weight;
      total += weight;
    }
    const record = tableHead + i * stride;
    table.setInt32(record, start - first, true);
    table.setInt32(record + 4, Math.ceil(count / 2), true);
    for (let k = 0; k < count; k++) {
      const normalised = total === 0 ? real[k]! : real[k]! / total;
      const weight = Math.trunc(normalised * fixedOne + (normalised < 0 ? -0.5 : 0.5));
      const at = record + recordHead + (k >> 1) * pairBytes + (k & 1) * 2;
      table.setInt16(at, weight & ((1 << lowBits) - 1), true);
      table.setInt16(at + 4, weight >> lowBits, true);
    }
  }
  return { first, span: end - first, table: new Uint8Array(table.buffer) };
}

/** Height and width of an image, in pixels. */
export interface ImageExtent {
  readonly height: number;
  readonly width: number;
}

/** A rectangle of an image, in pixels. */
export interface PixelRegion extends ImageExtent {
  readonly top: number;
  readonly left: number;
}

/** The size to resize to, how, and the part of the resized image to compute. */
export interface Resize extends ImageExtent {
  readonly interpolation: Interpolation;
  readonly region: PixelRegion;
}

/**
 * Resizes an RGB image and returns the region asked for, `[H, W, 3]`. Only the region is computed; its
 * bytes are those of the whole resized image.
 *
 * @param pixels RGB bytes `[height, width, 3]`.
 */
export function resampleRgb(pixels: Uint8Array, { height, width }: ImageExtent, resize: Resize): Uint8Array {
  const { interpolation, region } = resize;
  if (interpolation === 'nearest') return nearestRgb(pixels, { height, width }, resize);
  const filter = filters[interpolation];
  const horizontal = computeTaps(width, resize.width, { from: region.left, length: region.width }, filter);
  const vertical = computeTaps(height, resize.height, { from: region.top, length: region.height }, filter);
  const rowBytes = width * 3;
  const outRowBytes = region.width * 3;
  // Pillow 13's choice of the order, which decides how the pass between is rounded and clipped.
  const columnsFirst = resize.height < height && height - resize.height > 2 * (width - resize.width);
  const between = columnsFirst ? region.height * rowBytes : vertical.span * outRowBytes;
  // The passes read and write a little behind the ends; what they find there counts nothing.
  const slack = rowBytes + outRowBytes + 32;
  const { passes, at } = reserve({
    source: vertical.span * rowBytes + slack,
    horizontal: horizontal.table.length,
    vertical: vertical.table.length,
    between: between + slack,
    out: region.height * outRowBytes + slack,
  });
  const memory = new Uint8Array(passes.memory.buffer);
  const first = vertical.first * rowBytes;
  memory.set(pixels.subarray(first, first + vertical.span * rowBytes), at.source);
  memory.set(horizontal.table, at.horizontal);
  memory.set(vertical.table, at.vertical);
  const left = horizontal.first * 3;
  if (columnsFirst) {
    passes.resampleColumns(at.source, rowBytes, at.vertical, at.between);
    passes.resampleRows(at.between + left, width, region.height, at.horizontal, at.out);
  } else {
    passes.resampleRows(at.source + left, width, vertical.span, at.horizontal, at.between);
    passes.resampleColumns(at.between, outRowBytes, at.vertical, at.out);
  }
  return memory.slice(at.out, at.out + region.height * outRowBytes);
}

function nearestRgb(pixels: Uint8Array, { height, width }: ImageExtent, resize: Resize): Uint8Array {
  const { region } = resize;
  const rows = nearestPositions(height, resize.height, region.top, region.height);
  const columns = nearestPositions(width, resize.width, region.left, region.width);
  const out = new Uint8Array(region.height * region.width * 3);
  let target = 0;
  for (const row of rows) {
    for (const column of columns) {
      const source = (row * width + column) * 3;
      out[target++] = pixels[source]!;
      out[target++] = pixels[source + 1]!;
      out[target++] = pixels[source + 2]!;
    }
  }
  return out;
}

/**
 * Where the outputs `from … from + length - 1` of a resize from `inSize` to `outSize` to the nearest are read. Pillow
 * adds the step up instead of multiplying (`ImagingScaleAffine` of its Geometry.c), which decides ties.
 */
export function nearestPositions(inSize: number, outSize: number, from: number, length: number): Int32Array {
  const step = inSize / outSize;
  const positions = new Int32Array(length);
  let position = step * 0.5;
  for (let i = 0; i < from + length; i++) {
    if (i >= from) positions[i - from] = Math.min(Math.floor(position), inSize - 1);
    position += step;
  }
  return positions;
}

// What is used of it; TypeScript has its types only together with those of pages.
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Instance {
    constructor(module: Module);
    readonly exports: Readonly<Record<string, unknown>>;
  }
  class Memory {
    readonly buffer: ArrayBuffer;
    /** @param pages of 64 KiB */
    grow(pages: number): number;
  }
}

/** What `assembly/pillow-resample.ts` exports. */
interface Passes {
  readonly memory: WebAssembly.Memory;
  resampleRows(source: number, width: number, height: number, taps: number, target: number): void;
  resampleColumns(source: number, rowBytes: number, taps: number, target: number): void;
}

const pageBytes = 2 ** 16;
/** A memory cannot shrink: one that a large image has made larger than this is left to the garbage collector. */
const mostKept = 2 ** 26;

let compiled: WebAssembly.Module | undefined;
let kept: Passes | undefined;

/** The passes with a memory that has room for parts of so many bytes, and where in it each part begins. */
function reserve<Part extends string>(
  parts: Readonly<Record<Part, number>>,
): { readonly passes: Passes; readonly at: Readonly<Record<Part, number>> } {
  const at: Record<Part, number> = { ...parts };
  let end = 0;
  for (const part of Object.keys(parts) as Part[]) {
    at[part] = end;
    end += Math.ceil(parts[part] / 16) * 16;
  }
  compiled ??= new WebAssembly.Module(readFileSync(new URL('./pillow-resample.wasm', import.meta.url)));
  const passes = kept ?? (new WebAssembly.Instance(compiled).exports as unknown as Passes);
  const lacking = Math.ceil((end - passes.memory.buffer.byteLength) / pageBytes);
  if (lacking > 0) passes.memory.grow(lacking);
  kept = end > mostKept ? undefined : passes;
  return { passes, at };
}
