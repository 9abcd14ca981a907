import { FormatError, InputError, ShapeError } from '@kora-bench/core/errors';
import type { HostTensor } from '@kora-bench/core/graph';
import {
  decodeSafetensor,
  parseSafetensorsHeader,
  readSafetensors,
  safetensorsHeaderEnd,
  writeSafetensors,
} from '@kora-bench/core/safetensors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

/** A file with this header text and these data bytes, whatever they say. */
function fileOf(header: string | object, data: ArrayLike<number> = [], headerLength?: number): Uint8Array {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerLength ?? text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

const bytesOf = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

const oneTensor = (dtype: string, data: ArrayBufferView, length: number): HostTensor => {
  const bytes = bytesOf(data);
  const file = fileOf({ x: { dtype, shape: [length], data_offsets: [0, bytes.length] } }, bytes);
  return readSafetensors(file).tensors.get('x')!;
};

const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 });
const tensorsOf = (shape: readonly number[]): fc.Arbitrary<HostTensor> => {
  const length = shape.reduce((product, extent) => product * extent, 1);
  const size = { minLength: length, maxLength: length };
  return fc.oneof(
    fc.float32Array(size).map((data) => ({ dtype: 'f32' as const, shape, data })),
    fc.int32Array(size).map((data) => ({ dtype: 'i32' as const, shape, data })),
    fc.uint8Array({ ...size, max: 1 }).map((data) => ({ dtype: 'bool' as const, shape, data })),
  );
};
const names = fc.string({ unit: 'binary' }).filter((name) => name !== '__metadata__');
const contents = fc.tuple(
  fc.array(fc.tuple(names, shapes.chain(tensorsOf)), { maxLength: 6 }).map((pairs) => new Map(pairs)),
  fc.dictionary(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), { noNullPrototype: true }),
);

describe('writeSafetensors', () => {
  it('is undone by readSafetensors, at any byte offset of the buffer', () => {
    fc.assert(
      fc.property(contents, fc.nat(7), ([tensors, metadata], offset) => {
        const bytes = writeSafetensors(tensors, metadata);
        const shifted = new Uint8Array(bytes.length + offset).subarray(offset);
        shifted.set(bytes);
        const back = readSafetensors(shifted);
        expect(back.metadata).toEqual(metadata);
        expect(new Set(back.tensors.keys())).toEqual(new Set(tensors.keys()));
        for (const [name, tensor] of tensors) expect(back.tensors.get(name)).toEqual(tensor);
      }),
    );
  });

  it('starts the data and every tensor at a multiple of its element, padding the header with spaces', () => {
    fc.assert(
      fc.property(contents, ([tensors, metadata]) => {
        const bytes = writeSafetensors(tensors, metadata);
        const header = parseSafetensorsHeader(bytes);
        expect(header.dataStart % 8).toBe(0);
        for (const entry of header.tensors.values()) {
          expect(entry.begin % (entry.dtype === 'BOOL' ? 1 : 4)).toBe(0);
        }
        const text = new TextDecoder().decode(bytes.subarray(8, header.dataStart));
        expect(text).toMatch(/^\{[\s\S]*\} *$/);
      }),
    );
  });

  it('rounds to the nearest float16 when F16 is asked for', () => {
    const data = Float32Array.of(
      0,
      -0,
      1,
      -1 / 3,
      65504,
      65519,
      2 ** -24,
      2 ** -25,
      1 + 2 ** -11,
      1 + 3 * 2 ** -11,
    );
    const tensors = new Map([['x', { dtype: 'f32' as const, shape: [10], data }]]);
    const back = readSafetensors(writeSafetensors(tensors, {}, { realDType: 'F16' })).tensors.get('x')!;
    // −1/3 as binary16 is −1365/4096; ties (2⁻²⁵, 1 + 2⁻¹¹, 1 + 3·2⁻¹¹) go to even.
    expect([...back.data]).toEqual([0, -0, 1, -1365 / 4096, 65504, 65504, 2 ** -24, 0, 1, 1 + 2 ** -9]);
  });

  it('writes every float16 back as it was read', () => {
    const patterns = Uint16Array.from({ length: 65536 }, (_, i) => i).filter(
      (bits) => (bits & 0x7fff) <= 0x7c00,
    );
    const values = oneTensor('F16', patterns, patterns.length);
    const bytes = writeSafetensors(new Map([['x', values]]), {}, { realDType: 'F16' });
    expect(bytes.subarray(-2 * patterns.length)).toEqual(bytesOf(patterns));
  });

  it('refuses what the file could not hold', () => {
    const tensor = (value: number): HostTensor => ({
      dtype: 'f32',
      shape: [1],
      data: Float32Array.of(value),
    });
    expect(() => writeSafetensors(new Map([['__metadata__', tensor(0)]]))).toThrow(InputError);
    expect(() => writeSafetensors(new Map([['x', { ...tensor(0), shape: [2] }]]))).toThrow(ShapeError);
    expect(() => writeSafetensors(new Map([['x', tensor(1e5)]]), {}, { realDType: 'F16' })).toThrow(
      InputError,
    );
  });
});

describe('readSafetensors', () => {
  it.each([
    ['F64', Float64Array.of(1.5, -0.1, 1e-3), [1.5, Math.fround(-0.1), Math.fround(1e-3)]],
    ['F16', Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0001), [1, -2, 65504, 2 ** -24]],
    ['BF16', Uint16Array.of(0x3f80, 0xc000, 0x4049), [1, -2, 3.140625]],
    ['I64', BigInt64Array.of(-5n, 2147483647n), [-5, 2147483647]],
    ['U8', Uint8Array.of(0, 255), [0, 255]],
    ['I8', Int8Array.of(-128, 7), [-128, 7]],
    ['I16', Int16Array.of(-30000, 7), [-30000, 7]],
    ['U16', Uint16Array.of(60000, 7), [60000, 7]],
    ['U32', Uint32Array.of(7), [7]],
    ['U64', BigUint64Array.of(7n), [7]],
    ['BOOL', Uint8Array.of(1, 0), [1, 0]],
  ])('converts %s', (dtype, data, expected) => {
    const tensor = oneTensor(dtype, data, expected.length);
    expect(tensor.dtype).toBe(dtype === 'BOOL' ? 'bool' : /^B?F/.test(dtype) ? 'f32' : 'i32');
    expect([...tensor.data]).toEqual(expected);
  });

  it('shares memory with an aligned file', () => {
    const tensors = new Map([['x', { dtype: 'f32' as const, shape: [2], data: Float32Array.of(1, 2) }]]);
    const bytes = writeSafetensors(tensors);
    expect(readSafetensors(bytes).tensors.get('x')!.data.buffer).toBe(bytes.buffer);
  });

  const f32 = (begin: number, end: number, shape: unknown = [(end - begin) / 4]) => ({
    dtype: 'F32',
    shape,
    data_offsets: [begin, end],
  });
  const data = new Uint8Array(16);
  it.each<[defect: string, file: Uint8Array, message: RegExp]>([
    ['an empty file', new Uint8Array(0), /truncated.*length/],
    ['seven bytes', new Uint8Array(7), /truncated.*length/],
    ['an absurd header length', fileOf({}, [], 100_000_001), /absurd/],
    ['a file of text', new TextEncoder().encode('<!DOCTYPE html><html></html>'), /absurd/],
    ['a cut header', fileOf({ x: f32(0, 16) }, data).subarray(0, 30), /truncated inside its header/],
    ['cut tensors', fileOf({ x: f32(0, 16) }, data.subarray(1)), /truncated inside its tensors/],
    ['surplus bytes', fileOf({ x: f32(0, 12) }, data), /bytes that belong to no tensor/],
    ['an empty header', fileOf(''), /not a JSON object/],
    ['a header that is an array', fileOf('[]'), /not a JSON object/],
    ['broken JSON', fileOf('{"x":'), /not valid JSON/],
    ['broken UTF-8', fileOf('{}', [0xff], 3), /not valid UTF-8/],
    ['a name twice', fileOf('{"x":1,"\\u0078":2}'), /a key twice/],
    ['a metadata key twice', fileOf('{"__metadata__":{"a":"1","a" :"2"}}'), /a key twice/],
    ['metadata that is no object', fileOf({ __metadata__: 'pt' }), /not an object of strings/],
    ['a metadata number', fileOf({ __metadata__: { epoch: 5 } }), /not a string/],
    ['a tensor that is no object', fileOf({ x: 3 }), /not an object/],
    ['an unknown dtype', fileOf({ x: { ...f32(0, 16), dtype: 'F128' } }, data), /unknown dtype/],
    [
      'an inherited name as dtype',
      fileOf({ x: { ...f32(0, 16), dtype: 'toString' } }, data),
      /unknown dtype/,
    ],
    ['no shape', fileOf({ x: { dtype: 'F32', data_offsets: [0, 16] } }, data), /no valid shape/],
    ['a negative extent', fileOf({ x: f32(0, 16, [-4]) }, data), /no valid shape/],
    ['a fractional offset', fileOf({ x: f32(0, 1.5, [1]) }, data), /no valid data_offsets/],
    ['one offset', fileOf({ x: { ...f32(0, 16), data_offsets: [16] } }, data), /no valid data_offsets/],
    ['a size that contradicts the shape', fileOf({ x: f32(0, 16, [5]) }, data), /contradicts/],
    ['offsets in reverse', fileOf({ x: { ...f32(0, 16), data_offsets: [16, 0] } }, data), /contradicts/],
    ['a shape whose product overflows', fileOf({ x: f32(0, 16, [2 ** 40, 2 ** 40]) }, data), /contradicts/],
    ['an overlap', fileOf({ x: f32(0, 12), y: f32(8, 16) }, data), /overlaps/],
    ['two tensors in one place', fileOf({ x: f32(0, 16), y: f32(0, 16) }, data), /overlaps/],
    ['a hole', fileOf({ x: f32(0, 4), y: f32(8, 16) }, data), /hole/],
    ['a hole at the start', fileOf({ x: f32(4, 16) }, data), /hole/],
    [
      'an integer beyond 32 bits',
      fileOf({ x: { dtype: 'I64', shape: [2], data_offsets: [0, 16] } }, [...data.subarray(1), 1]),
      /32 bits/,
    ],
    [
      'a BOOL of 2',
      fileOf({ x: { dtype: 'BOOL', shape: [1], data_offsets: [0, 1] } }, [2]),
      /neither 0 nor 1/,
    ],
    [
      '8-bit floats',
      fileOf({ x: { dtype: 'F8_E4M3', shape: [1], data_offsets: [0, 1] } }, [0]),
      /not supported/,
    ],
  ])('refuses %s', (_, file, message) => {
    expect(() => readSafetensors(file, 'model.safetensors')).toThrow(FormatError);
    expect(() => readSafetensors(file, 'model.safetensors')).toThrow(message);
  });

  it('names the file and the tensor at fault', () => {
    try {
      readSafetensors(fileOf({ 'head.bias': f32(0, 16, [5]) }, data), 'model.safetensors');
      expect.unreachable();
    } catch (error) {
      expect((error as FormatError).where).toBe('model.safetensors, tensor "head.bias"');
      expect((error as FormatError).expected).toBe('20 bytes for F32 [5]');
    }
  });

  it('never fails with anything but a FormatError, whatever byte is damaged', () => {
    const tensors = new Map<string, HostTensor>([
      ['a', { dtype: 'f32', shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) }],
      ['b', { dtype: 'bool', shape: [3], data: Uint8Array.of(1, 0, 1) }],
    ]);
    const good = writeSafetensors(tensors, { format: 'pt' });
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, value, length) => {
        const damaged = good.slice(0, length);
        if (at < length) damaged[at] = value;
        try {
          readSafetensors(damaged);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('parseSafetensorsHeader', () => {
  it('lets a caller read one tensor by its byte range', () => {
    const tensors = new Map<string, HostTensor>([
      ['a', { dtype: 'f32', shape: [2], data: Float32Array.of(1, 2) }],
      ['b', { dtype: 'i32', shape: [3], data: Int32Array.of(3, 4, 5) }],
    ]);
    const file = writeSafetensors(tensors, { format: 'pt' });
    const start = file.slice(0, safetensorsHeaderEnd(file.slice(0, 8), file.length));
    const header = parseSafetensorsHeader(start, file.length);
    const entry = header.tensors.get('b')!;
    expect(decodeSafetensor(entry, file.slice(entry.begin, entry.end))).toEqual(tensors.get('b'));
    expect(() => parseSafetensorsHeader(file.slice(0, 20), file.length)).toThrow(/whole safetensors header/);
    expect(() => decodeSafetensor(entry, file.slice(entry.begin, entry.end - 1))).toThrow(FormatError);
  });
});
