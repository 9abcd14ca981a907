import type { ImageExtent, PixelRegion } from '../preprocess/pillow-resample.js';
import type { Values } from './decode-targets.js';

/*
 * What Pillow makes of the first picture of a GIF, and libvips does not: transparent pixels have the colour of their
 * index, and so has what the picture leaves free of the screen. (GIF89a, CompuServe 1990.)
 */

export interface FirstFrame {
  /** The file up to the end of its first picture, without transparency. */
  readonly opaque: Uint8Array;
  /** As its header says, or as far as the picture reaches: libvips has rules of its own for some sizes. */
  readonly screen: ImageExtent;
  /** The part of the screen that the picture covers. */
  readonly covers: PixelRegion;
  /** The colour of the rest. */
  readonly elsewhere: readonly [red: number, green: number, blue: number];
}

const extension = 0x21;
const graphicControl = 0xf9;
const picture = 0x2c;
const trailer = 0x3b;
/** The palette of a file without one. */
const greys = Uint8Array.from({ length: 768 }, (_, i) => Math.floor(i / 3));

/**
 * @param mostPixels beyond which a screen is refused
 * @throws Error with the reason when there is no whole picture in the file
 */
export function firstFrame(bytes: Uint8Array, mostPixels: number): FirstFrame {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const opaque = new Uint8Array(bytes);
  const need = (end: number) => {
    if (end > bytes.length) throw new Error('a file that ends too early');
  };
  const tableOf = (flags: number, at: number) =>
    flags & 0x80 ? bytes.subarray(at, at + 3 * 2 ** ((flags & 7) + 1)) : undefined;
  need(13);
  const global = tableOf(bytes[10]!, 13);
  let at = 13 + (global?.length ?? 0);
  let transparent: number | undefined;
  for (;;) {
    need(at + 2);
    if (bytes[at] === extension) {
      const isControl = bytes[at + 1] === graphicControl && bytes[at + 2]! >= 4;
      if (isControl) {
        need(at + 7);
        transparent = bytes[at + 3]! & 1 ? bytes[at + 6]! : undefined;
        opaque[at + 3]! &= 0xfe;
      }
      at = endOfBlocks(bytes, at + 2);
    } else if (bytes[at] === picture) {
      need(at + 10);
      const local = tableOf(bytes[at + 9]!, at + 10);
      const covers = {
        left: view.getUint16(at + 1, true),
        top: view.getUint16(at + 3, true),
        width: view.getUint16(at + 5, true),
        height: view.getUint16(at + 7, true),
      };
      const screen = {
        width: Math.max(view.getUint16(6, true), covers.left + covers.width),
        height: Math.max(view.getUint16(8, true), covers.top + covers.height),
      };
      if (screen.height * screen.width > mostPixels) {
        throw new Error(`a header of ${screen.width} × ${screen.height} pixels`);
      }
      const end = endOfBlocks(bytes, at + 10 + (local?.length ?? 0) + 1);
      const table = local ?? global ?? greys;
      const opened = opaque.slice(0, 13);
      if (table === greys) opened[10]! |= 0x87;
      const parts = [
        opened,
        ...(table === greys ? [greys] : []),
        opaque.subarray(13, end),
        Uint8Array.of(trailer),
      ];
      const level = (channel: number) => table[3 * (transparent ?? 0) + channel] ?? 0;
      const elsewhere = [level(0), level(1), level(2)] as const;
      return { opaque: new Uint8Array(Buffer.concat(parts)), screen, covers, elsewhere };
    } else {
      throw new Error(
        bytes[at] === trailer ? 'no picture in it' : 'an unknown block before the first picture',
      );
    }
  }
}

/** Behind the last of the sub-blocks that begin here: each a length and as many bytes, the last one empty. */
function endOfBlocks(bytes: Uint8Array, at: number): number {
  let end = at;
  for (;;) {
    const length = bytes[end];
    if (length === undefined) throw new Error('a file that ends too early');
    end += 1 + length;
    if (length === 0) return end;
  }
}

/** A decoded picture on its screen, in the colour of what it leaves free. */
export function onScreen(
  decoded: Values<Uint8Array>,
  { screen, covers, elsewhere }: FirstFrame,
): Values<Uint8Array> {
  const values = new Uint8Array(screen.height * screen.width * 3);
  for (let at = 0; at < values.length; at += 3) values.set(elsewhere, at);
  const right = Math.min(covers.left + covers.width, decoded.width);
  const bottom = Math.min(covers.top + covers.height, decoded.height);
  for (let row = covers.top; row < bottom; row++) {
    const [from, to] = [(row * decoded.width + covers.left) * 3, (row * decoded.width + right) * 3];
    if (from < to) values.set(decoded.values.subarray(from, to), (row * screen.width + covers.left) * 3);
  }
  return { values, ...screen };
}
