import type { HostTensor } from '../tensor/host-tensor.js';
import { decodeSafetensor } from './decode.js';
import { parseSafetensorsHeader } from './header.js';

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
