import sharp, { type Sharp } from 'sharp';
import { decodeBmp } from './bmp.js';
import { leastPart, mostPixels, UndecodableExample, type Values } from './decode-targets.js';
import { firstFrame, onScreen } from './gif-first-frame.js';
import {
  foreignContent,
  type ImageFormat,
  imageFormatOf,
  imageFormats,
  saveOrGetAgain,
} from './image-format.js';
import { jpegFrame } from './jpeg-frame.js';
import { decodeNetpbm } from './netpbm.js';
import { mendPng, requireEnoughData } from './png-file.js';
import type { ImageEncoding, StoredImage } from './stored-example.js';

/*
 * Image files to the RGB bytes that Pillow's `convert("RGB")` gives, which the loaders of timm and torchvision call:
 * alpha is left out, colour profiles and EXIF's orientation are ignored.
 */

/** @throws UndecodableExample when it is damaged, too large, or in a form that is not read */
export async function decodeImage(
  image: StoredImage,
  { truncated = false }: ImageEncoding = {},
): Promise<Values<Uint8Array>> {
  if (image.kind === 'rgb') return { values: image.bytes, height: image.height, width: image.width };
  const { bytes } = image;
  const format = imageFormatOf(bytes);
  if (format === undefined) {
    throw new UndecodableExample({
      part: 'image',
      message: 'An image is in no format that is read.',
      expected: imageFormats,
      ...foreignContent(bytes),
    });
  }
  try {
    return await decoders[format](bytes, truncated);
  } catch (error) {
    // A fault of this package is not one of the file.
    if (error instanceof TypeError || error instanceof ReferenceError) throw error;
    throw undecodable(error, format, bytes.length);
  }
}

type Decode = (bytes: Uint8Array, truncated: boolean) => Promise<Values<Uint8Array>> | Values<Uint8Array>;

const decoders: Readonly<Record<ImageFormat, Decode>> = {
  jpeg: (bytes, truncated) => decodeBySharp(bytes, truncated ? 'none' : 'error'),
  png: decodePng,
  webp: (bytes) => decodeBySharp(bytes, 'error'),
  tiff: (bytes) => decodeBySharp(bytes, 'error'),
  async gif(bytes) {
    const frame = firstFrame(bytes, mostPixels);
    return onScreen(await decodeBySharp(frame.opaque, 'error'), frame);
  },
  bmp: (bytes, truncated) => decodeBmp(bytes, mostPixels, truncated ? leastPart : 1),
  netpbm: (bytes) => decodeNetpbm(bytes, mostPixels),
};

async function decodePng(bytes: Uint8Array, truncated: boolean): Promise<Values<Uint8Array>> {
  try {
    requireEnoughData(bytes, mostPixels);
    // A wrong CRC of pixels is no error to Pillow, nor is one here.
    return await decodeBySharp(bytes, 'truncated');
  } catch (error) {
    const mended = mendPng(bytes, { mostPixels, leastPart });
    if (mended === undefined || !(mended.isComplete || truncated)) throw error;
    return decodeBySharp(mended.file, 'truncated');
  }
}

/** Of JPEG: a block of 8 × 8 pixels takes a bit at least. */
const mostPixelsPerByte = 8 * 64;
const leastRoom = 2 ** 16;

async function decodeBySharp(
  bytes: Uint8Array,
  failOn: 'none' | 'truncated' | 'error',
): Promise<Values<Uint8Array>> {
  const options = { ignoreIcc: true, failOn, limitInputPixels: mostPixels } as const;
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const facts = jpegFrame(file, mostPixels) ?? (await sharp(file, options).metadata());
  const { format, space, depth, height, width } = facts;
  if (
    format === 'jpeg' &&
    failOn !== 'none' &&
    height * width > leastRoom + bytes.length * mostPixelsPerByte
  ) {
    throw new Error('a file that ends too early');
  }
  // Pillow reads signed numbers as unsigned, and of those of 16 bits what lies below 256.
  if (depth === 'char' || depth === 'short' || (space === 'cmyk' && depth !== 'uchar')) {
    throw new Error(`${space} of type ${depth}, which is not read`);
  }
  // Pillow turns TIFF files by their own tag, and nothing by EXIF's.
  const input = sharp(file, { ...options, autoOrient: format === 'tiff' });
  if (space === 'cmyk')
    return fromCmyk(await rawOf(input.pipelineColourspace('cmyk').toColourspace('cmyk'), 4));
  return rawOf(input.toColourspace('srgb').removeAlpha(), 3);
}

async function rawOf(input: Sharp, channels: 3 | 4): Promise<Values<Uint8Array>> {
  const { data, info } = await input.raw().toBuffer({ resolveWithObject: true });
  if (info.channels !== channels)
    throw new Error(`decodes to ${info.channels} channels instead of ${channels}`);
  return { values: data, height: info.height, width: info.width };
}

/** Without a profile, as Pillow: each ink takes its share of what black leaves, rounded as `MULDIV255`. */
function fromCmyk({ values: inks, height, width }: Values<Uint8Array>): Values<Uint8Array> {
  const values = new Uint8Array(height * width * 3);
  for (let from = 0, to = 0; from < inks.length; from += 4, to += 3) {
    const light = 255 - inks[from + 3]!;
    for (let i = 0; i < 3; i++) {
      const product = inks[from + i]! * light + 128;
      values[to + i] = Math.max(0, light - (((product >> 8) + product) >> 8));
    }
  }
  return { values, height, width };
}

/** The line of a message that says why: libvips repeats itself, puts warnings first, and names its parts. */
function reasonOf(text: string): string {
  const lines = text
    .split('\n')
    .map((line) => line.replace(/^(?:Input buffer has corrupt header: *)?(?:\w+: )?/, ''));
  const reasons = lines.filter((line) => line !== '' && !/^(?:Corrupt JPEG data|Warning)/.test(line));
  return reasons[0] ?? lines[0] ?? text;
}

function undecodable(error: unknown, format: ImageFormat, bytes: number): UndecodableExample {
  const text = error instanceof Error ? error.message : String(error);
  const reason = reasonOf(text);
  const facts = { part: 'image', expected: `a ${format} file that can be decoded` } as const;
  if (/exceeds pixel limit|a header of .* pixels/.test(text)) {
    return new UndecodableExample({
      ...facts,
      message: 'An image is too large.',
      expected: `up to ${mostPixels} pixels, Pillow’s limit`,
      received: `${reason} (a file of ${bytes} bytes)`,
      fix: 'Make it smaller, or remove it.',
    });
  }
  const unsupported =
    /not configured|not supported|not read$|bad labq format|where up to 255|no known route/i;
  if (unsupported.test(text)) {
    return new UndecodableExample({
      ...facts,
      message: 'An image is stored in a way that is not read.',
      received: reason,
      fix: 'Save it as PNG or JPEG of 8 bits, RGB.',
    });
  }
  const tooEarly =
    /ends too early|premature end|end of (?:GIF )?(?:source )?(?:data|file)|truncated|Read error at/i;
  if (tooEarly.test(text)) {
    return new UndecodableExample({
      ...facts,
      message: 'An image is cut short.',
      expected: `a whole ${format} file`,
      received: reason,
      fix:
        'Get the file again, or remove it; in a folder of your own, dataset.json with "truncated": true reads JPEG, PNG and ' +
        'BMP files as far as they go.',
    });
  }
  return new UndecodableExample({
    ...facts,
    message: 'An image cannot be decoded.',
    received: reason,
    fix: saveOrGetAgain(),
  });
}
