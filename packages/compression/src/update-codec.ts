import { FormatError, InputError } from '@kora-bench/core/errors';
import type { Shape } from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';
import { float16ToFloat32, float32ToFloat16 } from '@kora-bench/core/safetensors';
import { ByteReader, joinBytes } from './byte-sections.js';
import type { Form } from './forms.js';
import { fromPlanes, packBits, toPlanes, unpackBits } from './packing.js';
import { quantiseRow, rowValues } from './row-quantiser.js';
import { restored, rowLengths, rowsOf } from './update-rows.js';

/*
 * An update as bytes and back. The bytes hold everything but what both sides have already: the shapes of the tensors in
 * their order, and the values that training started from. So they are a code for the trained values given the start, and
 * their number is an upper bound of how much training put into the parameters.
 */

/** A lossless codec of bytes, e.g. Brotli. */
export interface Codec {
  readonly name: string;
  compress(bytes: Uint8Array): Uint8Array;
  /** Undoes {@link Codec.compress}; throws where the bytes are none of its own. */
  decompress(bytes: Uint8Array): Uint8Array;
}

/** What a decoder knows of a tensor. */
export interface TensorLayout {
  readonly shape: Shape;
  /** What training started from, row-major; zeros where absent. */
  readonly start?: Float32Array;
}

/** A trained tensor. */
export interface UpdateTensor extends TensorLayout {
  /** Row-major, finite. */
  readonly values: Float32Array;
}

/** The largest magnitude of binary16. */
const largestHalf = 65504;

const kinds = [
  'float32',
  'float16',
  'quantised',
  'pruned',
  'low-rank',
] as const satisfies readonly Form['kind'][];

/**
 * Writes tensors down in one form: the update is the trained values minus the start. No tensors take no bytes.
 * `float32` keeps every bit; its differences are those of the bit patterns, modulo 2^32.
 * @throws InputError for values that are not finite or too far from the start for binary16, naming the tensor's place
 */
export function encodeUpdate(tensors: readonly UpdateTensor[], form: Form, codec: Codec): Uint8Array {
  if (tensors.every(({ values }) => values.length === 0)) return new Uint8Array(0);
  if (form.kind === 'float32') return codec.compress(written(form, toPlanes(bitDifferences(tensors))));
  const differences = tensors.map(differenceOf);
  if (form.kind === 'float16') {
    return codec.compress(written(form, toPlanes(halfPatterns(differences))));
  }
  const { rows, mask } = rowsOf(differences, tensors, form);
  const quantised = rows.map((row) => quantiseRow(row, form.bits));
  const scales = quantised.flatMap(({ offset, step }) => [float32ToFloat16(offset), float32ToFloat16(step)]);
  const levels = joinBytes(quantised.map((row) => row.levels));
  const sections = [...(mask === undefined ? [] : [packBits(mask, 1)]), toPlanes(Uint16Array.from(scales))];
  const storedAs = (stored: number, bytes: Uint8Array) =>
    codec.compress(written({ ...form, stored }, ...sections, bytes));
  // Whether a codec makes less of a level to a byte or of full bytes depends on the levels: so both are tried.
  const whole = storedAs(8, levels);
  if (form.bits === 8) return whole;
  const packed = storedAs(form.bits, packBits(levels, form.bits));
  return packed.length < whole.length ? packed : whole;
}

/**
 * Reads back what {@link encodeUpdate} wrote.
 * @param layout of the same tensors in the same order
 * @returns the values of every tensor, row-major
 * @throws FormatError for bytes that are damaged or of other tensors
 */
export function decodeUpdate(
  bytes: Uint8Array,
  layout: readonly TensorLayout[],
  codec: Codec,
): Float32Array<ArrayBuffer>[] {
  const sizes = layout.map(({ shape }) => sizeOf(shape));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (total === 0) return sizes.map(() => new Float32Array(0));
  const reader = new ByteReader(decompressed(bytes, codec));
  const { kind, bits, stored, rank } = readHeader(reader);
  if (kind === 'float32') {
    const patterns = fromPlanes(reader.take(4 * total), 4);
    reader.end();
    return split(patterns, sizes).map((own, i) => addBits(own, layout[i]!));
  }
  if (kind === 'float16') {
    const halves = float16ToFloat32(Uint16Array.from(fromPlanes(reader.take(2 * total), 2)));
    reader.end();
    return split(Float64Array.from(halves), sizes).map((own, i) => addStart(own, layout[i]!));
  }
  const form = { kind, rank };
  const mask = kind === 'pruned' ? unpackBits(reader.take(Math.ceil(total / 8)), 1, total) : undefined;
  const lengths = rowLengths(layout, form, mask);
  const scales = float16ToFloat32(Uint16Array.from(fromPlanes(reader.take(4 * lengths.length), 2)));
  const count = lengths.reduce((sum, length) => sum + length, 0);
  const levels = unpackBits(reader.take(Math.ceil((count * stored) / 8)), stored, count);
  reader.end();
  if (levels.some((level) => level >= 2 ** bits)) throw damaged(`levels that need more than ${bits} bits`);
  let at = 0;
  const rows = lengths.map((length, row) => {
    at += length;
    return rowValues({
      offset: scales[2 * row]!,
      step: scales[2 * row + 1]!,
      levels: levels.subarray(at - length, at),
    });
  });
  return restored(rows, layout, form, mask).map((own, i) => addStart(own, layout[i]!));
}

/** Behind a header: the kind of form, the bits of a level, those that it is stored in, and the rank. */
function written(form: Form & { readonly stored?: number }, ...sections: readonly Uint8Array[]): Uint8Array {
  const bits = 'bits' in form ? form.bits : 0;
  const rank = form.kind === 'low-rank' ? form.rank : 0;
  const header = Uint8Array.of(kinds.indexOf(form.kind), bits, form.stored ?? 0, rank & 255, rank >> 8);
  return joinBytes([header, ...sections]);
}

function readHeader(reader: ByteReader): {
  readonly kind: Form['kind'];
  readonly bits: number;
  readonly stored: number;
  readonly rank: number;
} {
  const [place, bits, stored, low, high] = [...reader.take(5)] as [number, number, number, number, number];
  const kind = kinds[place];
  const hasLevels = kind !== 'float32' && kind !== 'float16';
  if (kind === undefined || (hasLevels && (bits < 2 || bits > 8 || (stored !== bits && stored !== 8))))
    throw damaged(`a form of kind ${place} with ${bits} bits`);
  return { kind, bits, stored, rank: low + 256 * high };
}

function decompressed(bytes: Uint8Array, codec: Codec): Uint8Array {
  try {
    return codec.decompress(bytes);
  } catch (error) {
    throw damaged(`${bytes.length} bytes that ${codec.name} cannot read`, error);
  }
}

/** The error for bytes that no update has. */
function damaged(received: string, cause?: unknown): FormatError {
  return new FormatError('These are not the bytes of an update of these tensors.', {
    expected: 'what encodeUpdate wrote for tensors of these shapes',
    received,
    fix: 'Encode the update again, with the same tensors in the same order.',
    cause,
  });
}

function differenceOf({ values, start }: UpdateTensor, place: number): Float64Array {
  const difference = Float64Array.from(values, (value, i) => value - (start?.[i] ?? 0));
  const bad = difference.findIndex((value) => !(Math.abs(value) <= largestHalf));
  if (bad < 0) return difference;
  throw new InputError('A trained value cannot be written in half precision.', {
    where: `tensor ${place}, element ${bad}`,
    expected: `a change by at most ${largestHalf}`,
    received: String(difference[bad]),
    fix: 'Train with a lower learning rate: numbers so large are no result.',
  });
}

function halfPatterns(differences: readonly Float64Array[]): Uint16Array {
  const all = new Uint16Array(differences.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of differences) for (const value of part) all[at++] = float32ToFloat16(value);
  return all;
}

function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

function bitDifferences(tensors: readonly UpdateTensor[]): Uint32Array {
  const all = new Uint32Array(tensors.reduce((sum, { values }) => sum + values.length, 0));
  let at = 0;
  for (const { values, start } of tensors) {
    const before = start && bitsOf(start);
    for (const [i, bits] of bitsOf(values).entries()) all[at++] = bits - (before?.[i] ?? 0);
  }
  return all;
}

function addBits(differences: Uint32Array, { start }: TensorLayout): Float32Array<ArrayBuffer> {
  const before = start && bitsOf(start);
  const bits = Uint32Array.from(differences, (difference, i) => difference + (before?.[i] ?? 0));
  return new Float32Array(bits.buffer);
}

function addStart(differences: Float64Array, { start }: TensorLayout): Float32Array<ArrayBuffer> {
  return Float32Array.from(differences, (difference, i) => difference + (start?.[i] ?? 0));
}

function split<T extends Uint32Array | Float64Array>(all: T, sizes: readonly number[]): T[] {
  let at = 0;
  return sizes.map((size) => {
    at += size;
    return all.subarray(at - size, at) as T;
  });
}
