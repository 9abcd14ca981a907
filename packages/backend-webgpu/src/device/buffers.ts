import type { DType, HostData, HostTensor, Shape } from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';
import { MemoryError } from './errors.js';

/** Where a value is on the device: `size` bytes from `offset` on. */
export interface BufferRange {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly size: number;
}

/** All of a buffer. */
export function wholeBuffer(buffer: GPUBuffer): BufferRange {
  return { buffer, offset: 0, size: buffer.size };
}

/** @throws MemoryError naming `what` when the device allows no buffer of this size */
export function requireBufferSize({ limits }: GPUDevice, bytes: number, what: string): void {
  const limit = Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize);
  if (bytes <= limit) return;
  throw new MemoryError(`The ${what} is too large for this GPU.`, {
    where: what,
    expected: `at most ${limit} bytes in one buffer`,
    received: `${bytes} bytes`,
    fix: 'Use a smaller batch or model.',
  });
}

/** A storage buffer. @throws MemoryError naming `what` when the device allows none of this size */
export function createBuffer(device: GPUDevice, bytes: number, what: string): GPUBuffer {
  requireBufferSize(device, bytes, what);
  const { STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage;
  return device.createBuffer({
    label: what,
    size: 4 * Math.ceil(bytes / 4),
    usage: STORAGE | COPY_SRC | COPY_DST,
  });
}

/** Starts the transfer of a tensor's elements; the device's queue keeps the order. */
export function writeTensor(
  device: GPUDevice,
  { buffer, offset }: BufferRange,
  { dtype, data }: HostTensor,
): void {
  const stored = storedAs(dtype, data);
  device.queue.writeBuffer(buffer, offset, stored, 0, stored.length);
}

/** Starts the transfer of real numbers that the buffer keeps in 16 bits. */
export function writeHalves(device: GPUDevice, { buffer, offset }: BufferRange, data: HostData): void {
  const halves = new Uint16Array(2 * Math.ceil(data.length / 2));
  for (let i = 0; i < data.length; i++) halves[i] = halfBits(data[i]!);
  device.queue.writeBuffer(buffer, offset, halves);
}

/** Masks take 4 bytes per element in a buffer: WGSL cannot store `bool`. */
function storedAs(dtype: DType, data: HostData): Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> {
  const typed = dtype === 'f32' ? Float32Array : Int32Array;
  return (data instanceof typed ? data : typed.from(data)) as Float32Array<ArrayBuffer>;
}

/** Copies a buffer's elements to the host when all work before is done. */
export async function readBuffer(
  device: GPUDevice,
  buffer: GPUBuffer,
  dtype: DType,
  shape: Shape,
): Promise<HostTensor> {
  const size = 4 * sizeOf(shape);
  const staging = device.createBuffer({ size, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  try {
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, 0, staging, 0, size);
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    const bytes = staging.getMappedRange().slice(0);
    return { dtype, shape, data: hostData(dtype, bytes) };
  } finally {
    staging.destroy();
  }
}

/** Elements as the host keeps them, from their bytes in a buffer. */
export function hostData(dtype: DType, bytes: ArrayBuffer): HostData {
  if (dtype === 'f32') return new Float32Array(bytes);
  const integers = new Int32Array(bytes);
  return dtype === 'i32' ? integers : Uint8Array.from(integers);
}

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/**
 * A number as IEEE 754 binary16, to nearest, ties to even; what is too large becomes infinite. JavaScript's
 * own 16-bit arrays are not in Node before version 24.
 */
export function halfBits(value: number): number {
  float[0] = value;
  const sign = (bits[0]! >>> 16) & 0x8000;
  const magnitude = bits[0]! & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  // From 65520 on, rounding leads to infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) return sign | roundOff(magnitude - 0x38000000, 13);
  // Below 2⁻¹⁴ the steps are all 2⁻²⁴.
  const shift = 126 - (magnitude >>> 23);
  return shift > 24 ? sign : sign | roundOff((magnitude & 0x7fffff) | 0x800000, shift);
}

/** `number` without its lowest bits, rounded to nearest, ties to even. */
function roundOff(number: number, lowest: number): number {
  const middle = 2 ** (lowest - 1);
  const odd = (number >>> lowest) & 1;
  return (number + middle - 1 + odd) >>> lowest;
}
