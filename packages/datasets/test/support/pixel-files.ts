import { encode } from 'fast-png';
import sharp from 'sharp';

/** A PNG file with a palette whose colours have nothing to do with the indices. */
export function palettePng(indices: Uint8Array, height: number, width: number): Uint8Array {
  const palette = Array.from({ length: 256 }, (_, i) => [(i * 37) & 255, (i * 101) & 255, 255 - i]);
  return encode({ width, height, data: indices, channels: 1, depth: 8, palette });
}

/** A grey PNG file of 8 or 16 bits. */
export function greyPng(values: Uint8Array | Uint16Array, height: number, width: number): Uint8Array {
  const depth = values instanceof Uint16Array ? 16 : 8;
  return encode({ width, height, data: values, channels: 1, depth });
}

/** An image of one colour, or of RGB bytes `[height, width, 3]`. */
export async function imageOf(
  format: 'jpeg' | 'png' | 'webp' | 'gif' | 'tiff',
  height: number,
  width: number,
  content: number | Uint8Array = 128,
): Promise<Uint8Array> {
  const pixels = typeof content === 'number' ? new Uint8Array(height * width * 3).fill(content) : content;
  return new Uint8Array(
    await sharp(pixels, { raw: { height, width, channels: 3 } })
      .toFormat(format)
      .toBuffer(),
  );
}
