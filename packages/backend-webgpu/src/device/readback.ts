import type { DType, HostTensor, Shape } from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';
import type { BufferRange } from './buffers.js';
import { hostData } from './buffers.js';

/** A value to bring back. */
export interface ReadbackItem {
  readonly name: string;
  readonly from: BufferRange;
  readonly dtype: DType;
  readonly shape: Shape;
}

/** Brings values to the host at the end of a command buffer, all in one transfer. */
export class Readback {
  readonly #device: GPUDevice;
  readonly #items: readonly ReadbackItem[];
  readonly #buffers: StagingBuffers;
  #staging: GPUBuffer | undefined;

  /** Encodes the copies. */
  constructor(
    device: GPUDevice,
    buffers: StagingBuffers,
    encoder: GPUCommandEncoder,
    items: readonly ReadbackItem[],
  ) {
    this.#device = device;
    this.#buffers = buffers;
    this.#items = items;
    const size = items.reduce((sum, { shape }) => sum + 4 * sizeOf(shape), 0);
    if (size === 0) return;
    this.#staging = buffers.take(size);
    let offset = 0;
    for (const { from, shape } of items) {
      encoder.copyBufferToBuffer(from.buffer, from.offset, this.#staging, offset, 4 * sizeOf(shape));
      offset += 4 * sizeOf(shape);
    }
  }

  /** The values by name, once the submitted commands are done. */
  async read(): Promise<Record<string, HostTensor>> {
    if (this.#staging === undefined) {
      await this.#device.queue.onSubmittedWorkDone();
      return {};
    }
    try {
      await this.#staging.mapAsync(GPUMapMode.READ);
      const bytes = this.#staging.getMappedRange().slice(0);
      let offset = 0;
      return Object.fromEntries(
        this.#items.map(({ name, dtype, shape }) => {
          const end = offset + 4 * sizeOf(shape);
          const data = hostData(dtype, bytes.slice(offset, end));
          offset = end;
          return [name, { dtype, shape, data }];
        }),
      );
    } finally {
      this.dispose();
    }
  }

  /** Gives its buffer back, which `read` does itself. */
  dispose(): void {
    if (this.#staging !== undefined) this.#buffers.give(this.#staging);
    this.#staging = undefined;
  }
}

/**
 * Buffers that the host can read, kept from run to run: making one takes the host as long as encoding a
 * dozen kernels.
 */
export class StagingBuffers {
  readonly #device: GPUDevice;
  readonly #free: GPUBuffer[] = [];

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** One of `size` bytes, not mapped. */
  take(size: number): GPUBuffer {
    const kept = this.#free.findIndex((buffer) => buffer.size === size);
    if (kept !== -1) return this.#free.splice(kept, 1)[0]!;
    const usage = GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ;
    return this.#device.createBuffer({ label: 'readback', size, usage });
  }

  /** Takes one back, which may still be mapped. */
  give(buffer: GPUBuffer): void {
    buffer.unmap();
    if (this.#free.length < mostFree) this.#free.push(buffer);
    else buffer.destroy();
  }

  dispose(): void {
    for (const buffer of this.#free.splice(0)) buffer.destroy();
  }
}

/** What a run brings back and what the next one will, which is encoded before that is read. */
const mostFree = 2;
