import { ignoredPixel } from '@kora-bench/core/data';
import { type DecodedPng, decode } from 'fast-png';
import type { ImageExtent } from '../preprocess/pillow-resample.js';
import { saveOrGetAgain } from './image-format.js';
import { requirePlausiblePng } from './png-file.js';
import type { DecodeFailure, DecodePlan, StoredDepth, StoredMask } from './stored-example.js';

/*
 * Masks and depth as stored, decoded to one value a pixel. Apart from images, since these need libvips.
 */

/** Beyond twice its warning's limit Pillow refuses an image as a decompression bomb. */
export const mostPixels = 2 * 89_478_485;

/** Of a file that is cut short, this share must be there at least: else a few bytes could claim any size. */
export const leastPart = 1 / 256;

/** Thrown with what the main thread needs for its message: errors lose their class between threads. */
export class UndecodableExample extends Error {
  constructor(readonly failure: DecodeFailure) {
    super(failure.message);
  }
}

export interface Values<T> extends ImageExtent {
  readonly values: T;
}

/** Classes by pixel, −1 for none. */
export function decodeMask(mask: StoredMask, { classes, unlabelled }: NonNullable<DecodePlan['mask']>) {
  const { values, height, width } = mask.kind === 'png' ? maskIndices(mask.bytes) : rawIndices(mask);
  const classOf = new Int16Array(256).fill(-2);
  for (let index = 0; index < Math.min(classes, 256); index++) classOf[index] = index;
  for (const value of unlabelled) classOf[value] = ignoredPixel;
  const found = new Int16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const label = classOf[values[i]!]!;
    if (label === -2) {
      throw new UndecodableExample({
        part: 'mask',
        message: 'A mask has a value that is no class.',
        expected: `0 to ${classes - 1}, one for each of ${classes} classes${unlabelledText(unlabelled)}`,
        received: `${values[i]} at row ${Math.floor(i / width)}, column ${i % width}`,
        fix: 'Correct the mask, or the list of classes.',
      });
    }
    found[i] = label;
  }
  return { values: found, height, width };
}

function unlabelledText(unlabelled: readonly number[]): string {
  return unlabelled.length === 0 ? '' : `, or ${unlabelled.join(', ')} for no class`;
}

function rawIndices({ bytes, height, width }: Extract<StoredMask, { kind: 'indices' }>): Values<Uint8Array> {
  return { values: bytes, height, width };
}

/**
 * The indices or grey levels of a mask, `[height, width]`. sharp turns palette indices into colours; here they
 * stay what they are.
 *
 * @throws UndecodableExample when it is damaged or stored as colours
 */
export function maskIndices(bytes: Uint8Array): Values<Uint8Array> {
  const png = decodePng('mask', bytes);
  if (png.channels !== 1 || png.depth > 8) {
    throw new UndecodableExample({
      part: 'mask',
      message: 'A mask is stored as colours, not as classes.',
      expected: 'a PNG file with a palette or in grey, of at most 8 bits: one class a pixel',
      received: `${png.channels} channels of ${png.depth} bits`,
      fix: 'Save the mask with one class index a pixel.',
    });
  }
  return { values: unpackBits(png), height: png.height, width: png.width };
}

/** One value a byte; rows of 1, 2 and 4 bits a pixel start at whole bytes. */
function unpackBits({ data, depth, height, width }: DecodedPng): Uint8Array {
  if (depth === 8) return data as Uint8Array;
  const rowBytes = Math.ceil((width * depth) / 8);
  const values = new Uint8Array(height * width);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const bit = column * depth;
      const byte = data[row * rowBytes + (bit >> 3)]!;
      values[row * width + column] = (byte >> (8 - depth - (bit & 7))) & ((1 << depth) - 1);
    }
  }
  return values;
}

/** Metres by pixel, 0 where not measured, outside the region that counts, or beyond the maximum. */
export function decodeDepth(
  depth: StoredDepth,
  { region, maximum, bits = 16, metresPerUnit = 0.001 }: NonNullable<DecodePlan['depth']>,
): Values<Float32Array> {
  const stored = depth.kind === 'png' ? depthMetres(depth.bytes, bits, metresPerUnit) : rawMetres(depth);
  const { values, height, width } = stored;
  for (let i = 0; i < values.length; i++) {
    const metres = values[i]!;
    if (!(metres > 0 && metres <= maximum)) values[i] = 0;
  }
  if (region !== undefined) {
    const { top, left } = region;
    for (let row = 0; row < height; row++) {
      const inside = row >= top && row < top + region.height;
      if (!inside) values.fill(0, row * width, (row + 1) * width);
      else {
        values.fill(0, row * width, row * width + Math.min(left, width));
        values.fill(0, row * width + Math.min(left + region.width, width), (row + 1) * width);
      }
    }
  }
  return stored;
}

function rawMetres(depth: Extract<StoredDepth, { kind: 'metres' }>): Values<Float32Array> {
  return { values: depth.metres, height: depth.height, width: depth.width };
}

function depthMetres(bytes: Uint8Array, bits: 8 | 16, metresPerUnit: number): Values<Float32Array> {
  const png = decodePng('depth', bytes);
  if (png.channels !== 1 || png.depth !== bits || png.palette !== undefined) {
    throw new UndecodableExample({
      part: 'depth',
      message: 'A depth image is not stored as expected.',
      expected: `a grey PNG file of ${bits} bits`,
      received: `${png.palette === undefined ? `${png.channels} channels` : 'a palette'} of ${png.depth} bits`,
      fix: 'Save depth as one number a pixel, 0 where nothing was measured.',
    });
  }
  const values = new Float32Array(png.data.length);
  for (let i = 0; i < values.length; i++) {
    const units = png.data[i]!;
    values[i] = units === 65_535 ? 0 : units * metresPerUnit;
  }
  return { values, height: png.height, width: png.width };
}

function decodePng(part: 'mask' | 'depth', bytes: Uint8Array): DecodedPng {
  try {
    requirePlausiblePng(bytes, mostPixels);
    return decode(bytes, { checkCrc: true });
  } catch (error) {
    throw damaged(part, error);
  }
}

/** What went wrong with the bytes of a part. */
function damaged(part: 'mask' | 'depth', error: unknown): UndecodableExample {
  // fast-png reads on past the end of a file that was cut short.
  const received =
    error instanceof RangeError && error.message.includes('outside the bounds')
      ? 'a file that ends too early'
      : reasonOf(error);
  return new UndecodableExample({
    part,
    message: `${{ mask: 'A mask', depth: 'A depth image' }[part]} cannot be decoded.`,
    expected: 'a whole PNG file',
    received,
    fix: saveOrGetAgain('PNG'),
  });
}

/** The innermost reason: libraries wrap that of the decompressor. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? reasonOf(error.cause) : error.message;
}
