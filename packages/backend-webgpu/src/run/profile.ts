import { BackendError } from '@kora-bench/core/errors';
import type { HostTensor } from '@kora-bench/core/graph';

/** What one kernel of a run took and did. */
export interface KernelTime {
  /** What the kernel computes and where in the model; kernels of different blocks share it. */
  readonly label: string;
  readonly nanoseconds: number;
  readonly flops: number;
  /** Read and written at least. */
  readonly bytes: number;
}

/** A run whose kernels were timed, in their order. */
export interface Profile {
  readonly fetched: Record<string, HostTensor>;
  readonly kernels: readonly KernelTime[];
}

/** Takes the time of each kernel on the device's own clock, by timestamp queries. */
export class KernelTimer {
  readonly #queries: readonly GPUQuerySet[];
  readonly #resolved: GPUBuffer;
  readonly #staging: GPUBuffer;
  readonly #count: number;

  /** @throws BackendError where the device has no timestamp queries */
  constructor(device: GPUDevice, count: number) {
    if (!device.features.has('timestamp-query')) {
      throw new BackendError('This GPU cannot time kernels.', {
        where: 'webgpu',
        expected: 'the feature timestamp-query',
        received: 'a device without it',
        fix: 'Measure whole runs instead.',
      });
    }
    this.#count = count;
    const sets = Math.ceil((2 * count) / perSet);
    this.#queries = Array.from({ length: sets }, (_, i) =>
      device.createQuerySet({ type: 'timestamp', count: Math.min(perSet, 2 * count - i * perSet) }),
    );
    const { QUERY_RESOLVE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
    this.#resolved = device.createBuffer({ size: 16 * count, usage: QUERY_RESOLVE | COPY_SRC });
    this.#staging = device.createBuffer({ size: 16 * count, usage: COPY_DST | MAP_READ });
  }

  /** What the pass of kernel `i` is to write. */
  writes(i: number): GPUComputePassTimestampWrites {
    const start = (2 * i) % perSet;
    return {
      querySet: this.#queries[Math.floor((2 * i) / perSet)]!,
      beginningOfPassWriteIndex: start,
      endOfPassWriteIndex: start + 1,
    };
  }

  /** Encodes the transfer of the times. */
  resolve(encoder: GPUCommandEncoder): void {
    this.#queries.forEach((set, i) => {
      encoder.resolveQuerySet(set, 0, set.count, this.#resolved, 8 * i * perSet);
    });
    encoder.copyBufferToBuffer(this.#resolved, 0, this.#staging, 0, 16 * this.#count);
  }

  /** Nanoseconds per kernel, once the commands are done. */
  async read(): Promise<readonly number[]> {
    await this.#staging.mapAsync(GPUMapMode.READ);
    const ticks = new BigUint64Array(this.#staging.getMappedRange());
    const times = Array.from({ length: this.#count }, (_, i) => Number(ticks[2 * i + 1]! - ticks[2 * i]!));
    this.#staging.unmap();
    return times;
  }

  dispose(): void {
    for (const set of this.#queries) set.destroy();
    this.#resolved.destroy();
    this.#staging.destroy();
  }
}

/** The largest number of queries of a set that WebGPU allows. */
const perSet = 4096;
