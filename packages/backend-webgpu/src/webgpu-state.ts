import type { HostTensor, HostTensors, RunQueue, Shape } from '@kora-bench/core';
import { PairedState, sizeOf } from '@kora-bench/core';
import { wholeBuffer } from './device/buffer-range.js';
import { createBuffer, readBuffer, writeTensor } from './device/transfer.js';
import type { Watch } from './device/watch.js';

/** Named values in buffers on the device. */
export class WebgpuState extends PairedState<GPUBuffer> {
  constructor(device: GPUDevice, watch: Watch, queue: RunQueue, values: HostTensors) {
    const storage = {
      allocate: (name: string, shape: Shape) => createBuffer(device, 4 * sizeOf(shape), `state "${name}"`),
      write: (buffer: GPUBuffer, value: HostTensor) => writeTensor(device, wholeBuffer(buffer), value),
      read: (buffer: GPUBuffer, shape: Shape) =>
        watch.finish(buffer, () => readBuffer(device, buffer, 'f32', shape)),
      release: (buffer: GPUBuffer) => buffer.destroy(),
    };
    super(queue, storage, values);
  }
}
