import { ignoredPixel } from '@kora-bench/core';
import { type DecodedPng, decode } from 'fast-png';
import sharp from 'sharp';
import { preparePixels, prepareTarget } from '../preprocess/eval-transform.js';
import type { ImageExtent } from '../preprocess/pillow-resample.js';
import { packedLayout, partsOf } from './packed-example.js';
import type {
  DecodeFailure,
  DecodePlan,
  ExamplePart,
  StoredDepth,
  StoredExample,
  StoredImage,
  StoredMask,
} from './stored-example.js';

/** Thrown with what the main thread needs for its message: errors lose their class between threads. */
export class UndecodableExample extends Error {
  constructor(readonly failure: DecodeFailure) {
    super(failure.message);
  }
}

export interface Values<T> extends ImageExtent {
  readonly values: T;
}

/**
 * Decodes an example, resizes and crops its image and its targets alike, and packs them.
 *
 * @throws UndecodableExample when a part is damaged or does not fit the others
 */
export async function decodeExample(
  example: StoredExample,
  plan: DecodePlan,
): Promise<Uint8Array<ArrayBuffer>> {
  const { geometry } = plan;
  const image = await decodeImage(example.image);
  const layout = packedLayout(geometry.imageSize, {
    depth: plan.depth !== undefined,
    mask: plan.mask !== undefined,
  });
  const packed = new Uint8Array(layout.bytes);
  const parts = partsOf(packed, layout);
  parts.pixels.set(preparePixels(image.values, image.height, image.width, geometry));
  if (plan.mask !== undefined) {
    const mask = decodeMask(present(example.mask, 'mask'), plan.mask);
    requireSameSize('mask', mask, image);
    prepareTarget(mask.values, mask, geometry, parts.mask!);
  }
  if (plan.depth !== undefined) {
    const depth = decodeDepth(present(example.depth, 'depth'), plan.depth);
    requireSameSize('depth', depth, image);
    prepareTarget(depth.values, depth, geometry, parts.depth!);
  }
  return packed;
}

async function decodeImage(image: StoredImage): Promise<Values<Uint8Array>> {
  if (image.kind === 'rgb') return { values: image.bytes, height: image.height, width: image.width };
  try {
    // Colour profiles and orientation tags are ignored, as by Pillow's `convert('RGB')`.
    const { data, info } = await sharp(image.bytes, { ignoreIcc: true, failOn: 'warning' })
      .toColourspace('srgb')
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== 3) throw new Error(`decodes to ${info.channels} channels instead of 3`);
    return { values: data, height: info.height, width: info.width };
  } catch (error) {
    throw damaged('image', 'a whole image file', error);
  }
}

/** Classes by pixel, −1 for none. */
function decodeMask(mask: StoredMask, { classes, unlabelled }: NonNullable<DecodePlan['mask']>) {
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
function decodeDepth(
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
    return decode(bytes, { checkCrc: true });
  } catch (error) {
    throw damaged(part, 'a whole PNG file', error);
  }
}

function damaged(part: ExamplePart, expected: string, error: unknown): UndecodableExample {
  const received = error instanceof Error ? error.message : String(error);
  return new UndecodableExample({
    part,
    message: `${{ image: 'An image', mask: 'A mask', depth: 'A depth image' }[part]} cannot be decoded.`,
    expected,
    received,
    fix: 'Download or unpack the data set again: this file is damaged.',
  });
}

function present<T>(stored: T | undefined, part: 'mask' | 'depth'): T {
  if (stored !== undefined) return stored;
  throw new UndecodableExample({
    part,
    message: `An example has no ${part}.`,
    expected: `a ${part} for every image, as the split’s targets say`,
    received: 'none',
    fix: 'Correct the data set’s reader.',
  });
}

function requireSameSize(part: 'mask' | 'depth', found: ImageExtent, image: ImageExtent): void {
  if (found.height === image.height && found.width === image.width) return;
  throw new UndecodableExample({
    part,
    message: `The ${part} is not of the size of its image.`,
    expected: `${image.height} × ${image.width}, the height and width of the image`,
    received: `${found.height} × ${found.width}`,
    fix: `Give image and ${part} the same size; both are resized together later.`,
  });
}
