import { FormatError } from '../errors/kora-error.js';
import { formatShape } from '../graph/shape.js';
import type { HostTensor } from '../tensor/host-tensor.js';
import { float16ToFloat32, type SafetensorsDType } from './element-types.js';
import { parseSafetensorsHeader, type SafetensorsEntry } from './header.js';

/** The content of a safetensors file. */
export interface SafetensorsContent {
  /** By name, in the order of their bytes in the file. */
  readonly tensors: Map<string, HostTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads a whole safetensors file; the dtypes of the result are those of `decodeSafetensor`.
 * Tensors may share memory with `bytes`: change neither afterwards.
 *
 * @param bytes the whole file.
 * @param source the file's name for messages.
 * @throws FormatError naming the defect and the tensor.
 */
export function readSafetensors(bytes: Uint8Array, source = 'safetensors'): SafetensorsContent {
  const header = parseSafetensorsHeader(bytes, bytes.length, source);
  const tensors = new Map<string, HostTensor>();
  for (const entry of header.tensors.values()) {
    tensors.set(entry.name, decodeSafetensor(entry, bytes.subarray(entry.begin, entry.end), source));
  }
  return { tensors, metadata: header.metadata };
}

/**
 * The tensor that `entry` describes. Real types become `f32` (F64 is rounded), integers `i32`, BOOL
 * `bool`. F32, I32 and BOOL share memory with `bytes` when these are aligned to the element.
 *
 * @param bytes exactly the bytes from `entry.begin` to `entry.end` of the file.
 * @param source the file's name for messages.
 * @throws FormatError when there are too few or too many bytes, the dtype has no counterpart here
 *   (8-bit floats), an integer does not fit 32 bits, or a BOOL is neither 0 nor 1.
 */
export function decodeSafetensor(
  entry: SafetensorsEntry,
  bytes: Uint8Array,
  source = 'safetensors',
): HostTensor {
  const where = `${source}, tensor ${JSON.stringify(entry.name)}`;
  if (bytes.length !== entry.end - entry.begin) {
    throw new FormatError('The bytes of a tensor are incomplete.', {
      where,
      expected: `${entry.end - entry.begin} bytes for ${entry.dtype} ${formatShape(entry.shape)}`,
      received: `${bytes.length} bytes`,
    });
  }
  return { ...decode(entry.dtype, bytes, where), shape: entry.shape };
}

type Decoded = Pick<HostTensor, 'dtype' | 'data'>;

const real = (data: Float32Array): Decoded => ({ dtype: 'f32', data });
const integer = (data: Int32Array): Decoded => ({ dtype: 'i32', data });

function decode(dtype: SafetensorsDType, bytes: Uint8Array, where: string): Decoded {
  switch (dtype) {
    case 'F32':
      return real(view(Float32Array, bytes));
    case 'F64':
      return real(Float32Array.from(view(Float64Array, bytes)));
    case 'F16':
      return real(float16ToFloat32(view(Uint16Array, bytes)));
    case 'BF16':
      return real(bfloat16ToFloat32(view(Uint16Array, bytes)));
    case 'I32':
      return integer(view(Int32Array, bytes));
    case 'I16':
      return integer(Int32Array.from(view(Int16Array, bytes)));
    case 'U16':
      return integer(Int32Array.from(view(Uint16Array, bytes)));
    case 'I8':
      return integer(Int32Array.from(view(Int8Array, bytes)));
    case 'U8':
      return integer(Int32Array.from(bytes));
    case 'U32':
      return integer(narrow(view(Uint32Array, bytes), dtype, where));
    case 'I64':
      return integer(narrow(view(BigInt64Array, bytes), dtype, where));
    case 'U64':
      return integer(narrow(view(BigUint64Array, bytes), dtype, where));
    case 'BOOL':
      return { dtype: 'bool', data: checkedBooleans(bytes, where) };
    case 'F8_E4M3':
    case 'F8_E5M2':
      throw new FormatError(`A tensor has the dtype ${dtype}, which is not supported.`, {
        where,
        expected: 'F32, F16, BF16, F64, an integer type or BOOL',
        received: dtype,
        fix: 'Convert the file to F16 or F32.',
      });
    default:
      return dtype satisfies never;
  }
}

interface ElementArray<T> {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): T;
}

/** Views `bytes` as elements; copies them first where their offset is not a multiple of the element. */
function view<T>(type: ElementArray<T>, bytes: Uint8Array): T {
  const aligned = bytes.byteOffset % type.BYTES_PER_ELEMENT === 0 ? bytes : new Uint8Array(bytes);
  return new type(aligned.buffer, aligned.byteOffset, aligned.byteLength / type.BYTES_PER_ELEMENT);
}

/** bfloat16 is the upper half of a float32. */
function bfloat16ToFloat32(bits: Uint16Array): Float32Array {
  const patterns = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) patterns[i] = bits[i]! << 16;
  return new Float32Array(patterns.buffer);
}

function narrow(
  values: Uint32Array | BigInt64Array | BigUint64Array,
  dtype: string,
  where: string,
): Int32Array {
  const out = new Int32Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value > 2147483647 || value < -2147483648) {
      throw new FormatError(`An element of a tensor of ${dtype} does not fit 32 bits.`, {
        where: `${where}, element ${i}`,
        expected: 'an integer from −2147483648 to 2147483647',
        received: String(value),
      });
    }
    out[i] = Number(value);
  }
  return out;
}

function checkedBooleans(bytes: Uint8Array, where: string): Uint8Array {
  const bad = bytes.findIndex((byte) => byte > 1);
  if (bad >= 0) {
    throw new FormatError('An element of a BOOL tensor is neither 0 nor 1.', {
      where: `${where}, element ${bad}`,
      expected: '0 or 1',
      received: String(bytes[bad]),
    });
  }
  return bytes;
}
