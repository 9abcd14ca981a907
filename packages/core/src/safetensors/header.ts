import { FormatError, type KoraErrorDetails } from '../errors/kora-error.js';
import { formatShape, type Shape, sizeOf } from '../graph/shape.js';
import { isSafetensorsDType, type SafetensorsDType, safetensorsItemBytes } from './element-types.js';
import { decodeUtf8, firstDuplicateKey } from './header-text.js';

/** Where one tensor lies in a safetensors file. */
export interface SafetensorsEntry {
  readonly name: string;
  readonly dtype: SafetensorsDType;
  /** Extents may be 0 in this format. */
  readonly shape: Shape;
  /** First byte, counted from the start of the file. */
  readonly begin: number;
  /** The byte after the last, counted from the start of the file. */
  readonly end: number;
}

export interface SafetensorsHeader {
  /** By name, in the order of their bytes in the file. */
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
  /** The header's `__metadata__`, empty when there is none. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The first byte after the header. */
  readonly dataStart: number;
}

/** The length of the length field at the start of the file, in bytes. */
export const safetensorsLengthBytes = 8;

/** The format's own limit on the header, in bytes. */
const maxHeaderBytes = 100_000_000;

/**
 * The number of bytes at the start of a file that {@link parseSafetensorsHeader} needs.
 * @param bytes at least the first 8 bytes of the file.
 * @param totalLength length of the whole file in bytes.
 * @param source the file's name for messages.
 * @throws FormatError when the file is shorter than its header says, or the length is absurd.
 */
export function safetensorsHeaderEnd(bytes: Uint8Array, totalLength: number, source = 'safetensors'): number {
  if (totalLength < safetensorsLengthBytes || bytes.length < safetensorsLengthBytes) {
    throw defect('The safetensors file is truncated: its header length is incomplete.', source, {
      expected: 'at least 8 bytes',
      received: `${Math.min(totalLength, bytes.length)} bytes`,
      fix: downloadAgain,
    });
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getBigUint64(0, true);
  if (length > maxHeaderBytes) {
    throw defect('This is not a safetensors file: its header length is absurd.', source, {
      expected: `a header of at most ${maxHeaderBytes} bytes`,
      received: `${length} bytes`,
      fix: whatItIs(bytes),
    });
  }
  const end = safetensorsLengthBytes + Number(length);
  if (end > totalLength) {
    throw defect('The safetensors file is truncated inside its header.', source, {
      expected: `at least ${end} bytes`,
      received: `${totalLength} bytes`,
      fix: downloadAgain,
    });
  }
  return end;
}

/** What files under a wrong name usually are, by how they begin. */
const impostors: readonly (readonly [start: RegExp, fix: string])[] = [
  [/^version /, 'The file is a pointer of Git LFS: run git lfs pull in its repository.'],
  [/^\s*</, 'The file is a web page: download the weights themselves.'],
  [/^\s*\{/, 'The file is a JSON text: download the weights themselves.'],
  [
    /^(?:PK|\x80)/,
    'The file is a PyTorch pickle: load it in PyTorch and save it with safetensors.torch.save_file.',
  ],
];

function whatItIs(bytes: Uint8Array): string {
  const start = String.fromCharCode(...bytes.subarray(0, safetensorsLengthBytes));
  const found = impostors.find(([pattern]) => pattern.test(start));
  return (
    found?.[1] ??
    'Check that the file is a safetensors file and not, for example, a PyTorch pickle or a web page.'
  );
}

/**
 * Parses and checks the header of a safetensors file, so that a caller can read single tensors by
 * byte range. Format: https://huggingface.co/docs/safetensors (an unsigned little-endian 64-bit
 * header length, a JSON header padded with spaces, then the tensors' bytes without holes).
 *
 * @param bytes the start of the file, at least {@link safetensorsHeaderEnd} bytes.
 * @param totalLength length of the whole file in bytes.
 * @param source the file's name for messages.
 * @throws FormatError naming the defect: truncation, bad JSON, duplicate keys, an unknown dtype, a
 *   size that contradicts dtype and shape, overlaps, holes, or bytes beyond the last tensor.
 */
export function parseSafetensorsHeader(
  bytes: Uint8Array,
  totalLength: number = bytes.length,
  source = 'safetensors',
): SafetensorsHeader {
  const dataStart = safetensorsHeaderEnd(bytes, totalLength, source);
  if (bytes.length < dataStart) {
    throw defect('The bytes given do not hold the whole safetensors header.', source, {
      expected: `${dataStart} bytes`,
      received: `${bytes.length} bytes`,
      fix: 'Read as many bytes as safetensorsHeaderEnd() says.',
    });
  }
  const json = parseJson(bytes.subarray(safetensorsLengthBytes, dataStart), source);
  const metadata = readMetadata(json.get('__metadata__'), source);
  json.delete('__metadata__');
  const entries = [...json].map(([name, value]) => readEntry(name, value, dataStart, source));
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkLayout(entries, dataStart, totalLength, source);
  return { tensors: new Map(entries.map((entry) => [entry.name, entry])), metadata, dataStart };
}

const downloadAgain = 'Download or copy the file again.';

function defect(message: string, where: string, details: KoraErrorDetails): FormatError {
  return new FormatError(message, { where, fix: downloadAgain, ...details });
}

function parseJson(bytes: Uint8Array, source: string): Map<string, unknown> {
  const text = decodeHeaderText(bytes, source);
  if (text[0] !== '{') {
    throw defect('The safetensors header is not a JSON object.', source, {
      expected: 'a header that begins with {',
      received: text === '' ? 'an empty header' : JSON.stringify(text.slice(0, 16)),
    });
  }
  let value: object;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw defect('The safetensors header is not valid JSON.', source, {
      received: cause instanceof Error ? cause.message : String(cause),
      fix: downloadAgain,
      cause,
    });
  }
  const duplicate = firstDuplicateKey(text);
  if (duplicate !== undefined) {
    throw defect('The safetensors header has a key twice.', source, {
      expected: 'every key once',
      received: JSON.stringify(duplicate),
    });
  }
  return new Map(Object.entries(value));
}

function decodeHeaderText(bytes: Uint8Array, source: string): string {
  try {
    return decodeUtf8(bytes);
  } catch (cause) {
    throw defect('The safetensors header is not valid UTF-8.', source, { fix: downloadAgain, cause });
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function readMetadata(value: unknown, source: string): Record<string, string> {
  if (value === undefined) return {};
  const where = `${source}, __metadata__`;
  if (!isObject(value)) {
    throw defect('The metadata of the safetensors file is not an object of strings.', where, {
      received: JSON.stringify(value),
    });
  }
  const metadata: [string, string][] = [];
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') {
      throw defect('A metadata value of the safetensors file is not a string.', `${where}.${key}`, {
        expected: 'a string',
        received: JSON.stringify(text),
      });
    }
    metadata.push([key, text]);
  }
  return Object.fromEntries(metadata);
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

function readEntry(name: string, value: unknown, dataStart: number, source: string): SafetensorsEntry {
  const where = `${source}, tensor ${JSON.stringify(name)}`;
  if (!isObject(value)) {
    throw defect('A tensor of the safetensors header is not an object.', where, {
      expected: '{"dtype", "shape", "data_offsets"}',
      received: JSON.stringify(value),
    });
  }
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isSafetensorsDType(dtype)) {
    throw defect('A tensor has an unknown dtype.', where, {
      expected: Object.keys(safetensorsItemBytes).join(', '),
      received: JSON.stringify(dtype) ?? 'nothing',
      fix: 'Save the tensor as one of these; other types are of newer releases of the format, or no types.',
    });
  }
  if (!Array.isArray(shape) || !shape.every(isCount)) {
    throw defect('A tensor has no valid shape.', where, {
      expected: 'an array of whole numbers from 0',
      received: JSON.stringify(shape) ?? 'nothing',
    });
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    throw defect('A tensor has no valid data_offsets.', where, {
      expected: 'two whole numbers from 0: [begin, end]',
      received: JSON.stringify(offsets) ?? 'nothing',
    });
  }
  const [begin, end] = offsets as [number, number];
  const needed = sizeOf(shape) * safetensorsItemBytes[dtype];
  if (end - begin !== needed) {
    throw defect('The size of a tensor contradicts its dtype and shape.', where, {
      expected: `${needed} bytes for ${dtype} ${formatShape(shape)}`,
      received: `${end - begin} bytes (data_offsets [${begin}, ${end}])`,
    });
  }
  return { name, dtype, shape, begin: dataStart + begin, end: dataStart + end };
}

/** The tensors must fill the data section exactly, one after the other. */
function checkLayout(
  entries: readonly SafetensorsEntry[],
  dataStart: number,
  totalLength: number,
  source: string,
): void {
  let filled = dataStart;
  for (const { name, begin, end } of entries) {
    if (begin !== filled) {
      const problem = begin < filled ? 'overlaps the tensor before it' : 'leaves a hole before it';
      throw defect(
        `A tensor ${problem} in the safetensors file.`,
        `${source}, tensor ${JSON.stringify(name)}`,
        {
          expected: `data_offsets that begin at ${filled - dataStart}`,
          received: `${begin - dataStart}`,
        },
      );
    }
    filled = end;
  }
  if (filled !== totalLength) {
    const problem =
      filled > totalLength
        ? 'The safetensors file is truncated inside its tensors.'
        : 'The safetensors file has bytes that belong to no tensor.';
    throw defect(problem, source, {
      expected: `${filled} bytes`,
      received: `${totalLength} bytes`,
      fix: downloadAgain,
    });
  }
}
