import type { Values } from './decode-targets.js';

/*
 * PBM, PGM and PPM in their binary and plain forms (netpbm's man pages), up to 8 bits: some data sets of traffic signs
 * and faces come so.
 */

const channelsOf: Readonly<Record<string, 1 | 3>> = { P1: 1, P2: 1, P3: 3, P4: 1, P5: 1, P6: 3 };

/**
 * Decodes to RGB.
 *
 * @param mostPixels beyond which it is refused before anything is allocated
 * @throws Error with the reason when it cannot be decoded
 */
export function decodeNetpbm(bytes: Uint8Array, mostPixels: number): Values<Uint8Array> {
  const words = new Words(bytes);
  const magic = words.next();
  const channels = channelsOf[magic]!;
  const isBits = magic === 'P1' || magic === 'P4';
  const [width, height] = [words.integer('width'), words.integer('height')];
  const most = isBits ? 1 : words.integer('largest value');
  if (most < 1 || most > 255) throw new Error(`values up to ${most}, where up to 255 are read`);
  const pixels = height * width;
  if (pixels < 1 || pixels > mostPixels) {
    throw new Error(`a header of ${width} × ${height} pixels, more than ${mostPixels} or none`);
  }
  const start = words.position + 1;
  const rowBytes = magic === 'P4' ? Math.ceil(width / 8) : width * channels;
  const isPlain = magic <= 'P3';
  if (bytes.length - start < (isPlain ? pixels * channels : rowBytes * height)) {
    throw new Error('a file that ends too early');
  }
  const stored = (index: number): number => {
    if (magic === 'P1') return 1 - words.bit();
    if (isPlain) return words.integer('value');
    if (magic !== 'P4') return bytes[start + index]!;
    const column = index % width;
    const byte = bytes[start + Math.floor(index / width) * rowBytes + (column >> 3)]!;
    return 1 - ((byte >> (7 - (column & 7))) & 1);
  };
  const values = new Uint8Array(pixels * 3);
  for (let i = 0; i < pixels * channels; i++) {
    const value = stored(i);
    if (value > most) throw new Error(`the value ${value}, where ${most} is the largest`);
    const level = most === 255 ? value : Math.round((value / most) * 255);
    if (channels === 3) values[i] = level;
    else values.fill(level, 3 * i, 3 * i + 3);
  }
  return { values, height, width };
}

/** The words of a text between white space, without comments. */
class Words {
  position = 0;
  constructor(private readonly bytes: Uint8Array) {}

  #skip(): void {
    for (; this.position < this.bytes.length; this.position++) {
      const byte = this.bytes[this.position]!;
      if (byte === 0x23) {
        while (this.position < this.bytes.length && this.bytes[this.position] !== 10) this.position++;
      } else if (!(byte === 32 || (byte >= 9 && byte <= 13))) return;
    }
  }

  next(): string {
    this.#skip();
    const from = this.position;
    // No word of these formats is longer.
    while (
      this.position < this.bytes.length &&
      this.position < from + 10 &&
      this.bytes[this.position]! > 32
    ) {
      this.position++;
    }
    return String.fromCharCode(...this.bytes.subarray(from, this.position));
  }

  /** One digit, which no white space needs to follow. */
  bit(): number {
    this.#skip();
    const digit = this.bytes[this.position++];
    if (digit === 0x30 || digit === 0x31) return digit - 0x30;
    throw new Error('a pixel that is neither 0 nor 1');
  }

  integer(what: string): number {
    const word = this.next();
    if (/^\d+$/.test(word)) return Number(word);
    throw new Error(word === '' ? 'a file that ends too early' : `${JSON.stringify(word)} as ${what}`);
  }
}
