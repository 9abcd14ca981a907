import type { HostTensors, RunQueue } from '@kora-bench/core';
import { PairedState } from '@kora-bench/core';
import type { Tensor } from 'onnxruntime-node';
import type { Engine } from './engine/engine.js';
import { allocate } from './engine/host-transfer.js';

/** Named values in tensors that the engine reads and writes in place. */
export class OrtState extends PairedState<Tensor> {
  constructor(engine: Engine, queue: RunQueue, values: HostTensors) {
    const storage = {
      allocate: (_: string, shape: readonly number[]) => allocate(engine, 'f32', shape),
      write: ({ data }: Tensor, value: HostTensors[string]) => (data as Float32Array).set(value.data),
      read: ({ data }: Tensor, shape: readonly number[]) => ({
        dtype: 'f32' as const,
        shape,
        data: (data as Float32Array).slice(),
      }),
      // The engine frees a tensor on the host with the last reference to it.
      release: () => undefined,
    };
    super(queue, storage, values);
  }
}
