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
