import { InputError, ShapeError } from '../errors/kora-error.js';
import type { HostData } from '../graph/shape.js';
import { formatShape, sizeOf } from '../graph/shape.js';
import type { HostTensor } from '../tensor/host-tensor.js';
import { float32ToFloat16, safetensorsItemBytes } from './element-types.js';
import { safetensorsLengthBytes } from './header.js';
import { encodeUtf8 } from './header-text.js';

export interface WriteSafetensorsOptions {
  /** How `f32` tensors are stored; `F16` halves the file and rounds to nearest. Default `F32`. */
  readonly realDType?: 'F32' | 'F16';
}

type StoredDType = 'F32' | 'F16' | 'I32' | 'BOOL';

/** The data section begins at a multiple of this many bytes, so that readers can map it. */
const alignment = 8;

/**
 * The bytes of a safetensors file: `f32` as F32 or F16, `i32` as I32, `bool` as BOOL. Wider
 * elements come first, so that every tensor is aligned; otherwise the order of `tensors` is kept.
 * Format: https://huggingface.co/docs/safetensors.
 *
 * @param metadata strings for the header's `__metadata__`; left out when empty.
 * @throws InputError when a tensor is called `__metadata__` or a finite number overflows F16.
 * @throws ShapeError when a tensor's data does not fill its shape.
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, HostTensor>,
  metadata: Readonly<Record<string, string>> = {},
  options: WriteSafetensorsOptions = {},
): Uint8Array {
  const entries = [...tensors].map(([name, tensor]) => {
    checkTensor(name, tensor);
    const dtype = storedDType(tensor, options.realDType ?? 'F32');
    return { name, tensor, dtype, itemBytes: safetensorsItemBytes[dtype] };
  });
  entries.sort((a, b) => b.itemBytes - a.itemBytes);

  const fields: string[] = [];
  if (Object.keys(metadata).length > 0) fields.push(`"__metadata__":${JSON.stringify(metadata)}`);
  let dataLength = 0;
  for (const { name, tensor, dtype, itemBytes } of entries) {
    const end = dataLength + tensor.data.length * itemBytes;
    const entry = { dtype, shape: tensor.shape, data_offsets: [dataLength, end] };
    fields.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
    dataLength = end;
  }
  const header = encodeUtf8(`{${fields.join(',')}}`);
  const headerLength = Math.ceil(header.length / alignment) * alignment;

  const bytes = new Uint8Array(safetensorsLengthBytes + headerLength + dataLength);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerLength), true);
  bytes.set(header, safetensorsLengthBytes);
  bytes.fill(0x20, safetensorsLengthBytes + header.length, safetensorsLengthBytes + headerLength);
  let at = safetensorsLengthBytes + headerLength;
  for (const { name, tensor, dtype, itemBytes } of entries) {
    store({ buffer: bytes.buffer, at, dtype }, tensor.data, name);
    at += tensor.data.length * itemBytes;
  }
  return bytes;
}

function checkTensor(name: string, tensor: HostTensor): void {
  if (name === '__metadata__') {
    throw new InputError('A tensor cannot have the name __metadata__ in a safetensors file.', {
      where: 'tensors',
      fix: 'Give the tensor another name.',
    });
  }
  if (tensor.data.length !== sizeOf(tensor.shape)) {
    throw new ShapeError('The data of a tensor does not fill its shape.', {
      where: `tensor ${JSON.stringify(name)}`,
      expected: `${sizeOf(tensor.shape)} elements for ${formatShape(tensor.shape)}`,
      received: `${tensor.data.length} elements`,
    });
  }
}

function storedDType(tensor: HostTensor, realDType: 'F32' | 'F16'): StoredDType {
  switch (tensor.dtype) {
    case 'f32':
      return realDType;
    case 'i32':
      return 'I32';
    case 'bool':
      return 'BOOL';
    default:
      return tensor.dtype satisfies never;
  }
}

interface Target {
  readonly buffer: ArrayBuffer;
  /** The first byte. */
  readonly at: number;
  readonly dtype: StoredDType;
}

function store({ buffer, at, dtype }: Target, data: HostData, name: string): void {
  switch (dtype) {
    case 'F32':
      new Float32Array(buffer, at, data.length).set(data);
      return;
    case 'I32':
      new Int32Array(buffer, at, data.length).set(data);
      return;
    case 'F16':
      storeFloat16(new Uint16Array(buffer, at, data.length), data, name);
      return;
    case 'BOOL': {
      const out = new Uint8Array(buffer, at, data.length);
      for (let i = 0; i < data.length; i++) out[i] = data[i] === 0 ? 0 : 1;
      return;
    }
    default:
      dtype satisfies never;
  }
}

function storeFloat16(out: Uint16Array, data: HostData, name: string): void {
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!;
    const bits = float32ToFloat16(value);
    if ((bits & 0x7fff) === 0x7c00 && Number.isFinite(value)) {
      throw new InputError('A number is too large for F16.', {
        where: `tensor ${JSON.stringify(name)}, element ${i}`,
        expected: 'magnitudes below 65520',
        received: String(value),
        fix: 'Store the file as F32.',
      });
    }
    out[i] = bits;
  }
}
