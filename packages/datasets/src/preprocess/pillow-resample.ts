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

/** Bits after the point of a weight: 32 less 8 for the pixel and 2 for the overshoot of the filter. */
const precisionBits = 22;
const fixedOne = 1 << precisionBits;
const fixedHalf = 1 << (precisionBits - 1);

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

/** For each output position: the first input position and the fixed-point weights from there on. */
interface Taps {
  readonly starts: Int32Array;
  readonly counts: Int32Array;
  /** `[outputs, width]`, row-major; only the first `counts[i]` weights of row i are used. */
  readonly weights: Int32Array;
  readonly width: number;
}

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
  const starts = new Int32Array(length);
  const counts = new Int32Array(length);
  const weights = new Int32Array(length * width);
  const real = new Float64Array(width);
  for (let i = 0; i < length; i++) {
    const centre = (from + i + 0.5) * scale;
    const start = Math.max(Math.trunc(centre - support + 0.5), 0);
    const count = Math.min(Math.trunc(centre + support + 0.5), inSize) - start;
    let total = 0;
    for (let k = 0; k < count; k++) {
      const weight = filter.weight((k + start - centre + 0.5) * (1 / filterScale));
      real[k] = weight;
      total += weight;
    }
    for (let k = 0; k < count; k++) {
      const normalised = total === 0 ? real[k]! : real[k]! / total;
      weights[i * width + k] = Math.trunc(normalised * fixedOne + (normalised < 0 ? -0.5 : 0.5));
    }
    starts[i] = start;
    counts[i] = count;
  }
  return { starts, counts, weights, width };
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
  // Pillow 13's choice of the order, which decides how the pass between is rounded and clipped.
  if (resize.height < height && height - resize.height > 2 * (width - resize.width)) {
    const flattened = resampleColumns(pixels, width * 3, 0, vertical);
    return resampleRows(flattened, width, { firstRow: 0, rows: region.height }, horizontal);
  }
  const last = region.height - 1;
  const firstRow = vertical.starts[0]!;
  const rows = vertical.starts[last]! + vertical.counts[last]! - firstRow;
  const narrowed = resampleRows(pixels, width, { firstRow, rows }, horizontal);
  return resampleColumns(narrowed, region.width * 3, firstRow, vertical);
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

function resampleRows(
  pixels: Uint8Array,
  width: number,
  { firstRow, rows }: { readonly firstRow: number; readonly rows: number },
  { starts, counts, weights, width: tapWidth }: Taps,
): Uint8Array {
  const outWidth = starts.length;
  const out = new Uint8ClampedArray(rows * outWidth * 3);
  let target = 0;
  for (let y = 0; y < rows; y++) {
    const row = (firstRow + y) * width * 3;
    for (let x = 0; x < outWidth; x++) {
      let r = fixedHalf;
      let g = fixedHalf;
      let b = fixedHalf;
      let source = row + starts[x]! * 3;
      const firstWeight = x * tapWidth;
      const endWeight = firstWeight + counts[x]!;
      for (let k = firstWeight; k < endWeight; k++, source += 3) {
        const weight = weights[k]!;
        r = (r + Math.imul(pixels[source]!, weight)) | 0;
        g = (g + Math.imul(pixels[source + 1]!, weight)) | 0;
        b = (b + Math.imul(pixels[source + 2]!, weight)) | 0;
      }
      out[target++] = r >> precisionBits;
      out[target++] = g >> precisionBits;
      out[target++] = b >> precisionBits;
    }
  }
  return new Uint8Array(out.buffer);
}

/** Four taps in one pass over a row: what costs is to load and store the sums. */
const tapsAtOnce = 4;

function resampleColumns(
  pixels: Uint8Array,
  rowBytes: number,
  firstRow: number,
  { starts, counts, weights, width: tapWidth }: Taps,
): Uint8Array {
  const outHeight = starts.length;
  const out = new Uint8ClampedArray(outHeight * rowBytes);
  const sums = new Int32Array(rowBytes);
  for (let y = 0; y < outHeight; y++) {
    sums.fill(fixedHalf);
    const first = (starts[y]! - firstRow) * rowBytes;
    for (let k = 0; k < counts[y]!; k += tapsAtOnce) {
      // Past the last tap, the first row counts nothing.
      const weight = (tap: number) => (tap < counts[y]! ? weights[y * tapWidth + tap]! : 0);
      const row = (tap: number) => (tap < counts[y]! ? first + tap * rowBytes : first);
      const [w0, w1, w2, w3] = [weight(k), weight(k + 1), weight(k + 2), weight(k + 3)];
      const [r0, r1, r2, r3] = [row(k), row(k + 1), row(k + 2), row(k + 3)];
      for (let i = 0; i < rowBytes; i++) {
        const near = Math.imul(pixels[r0 + i]!, w0) + Math.imul(pixels[r1 + i]!, w1);
        const far = Math.imul(pixels[r2 + i]!, w2) + Math.imul(pixels[r3 + i]!, w3);
        sums[i] = (sums[i]! + near + far) | 0;
      }
    }
    const target = y * rowBytes;
    for (let i = 0; i < rowBytes; i++) out[target + i] = sums[i]! >> precisionBits;
  }
  return new Uint8Array(out.buffer);
}
