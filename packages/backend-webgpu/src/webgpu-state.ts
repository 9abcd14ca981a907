import type { DeviceState, HostTensor, HostTensors, RunQueue, Shape } from '@kora-bench/core';
import { formatShape, InputError, ShapeError, sameShape, sizeOf } from '@kora-bench/core';
import { createBuffer, readBuffer, writeTensor } from './device/transfer.js';

interface Slot {
  readonly shape: Shape;
  /** The current value. */
  front: GPUBuffer;
  /** Where the next value is written; made for the first update. */
  back: GPUBuffer | undefined;
}

/** Named values in pairs of buffers: a run reads one and writes the other, and they change places when it worked. */
export class WebgpuState implements DeviceState {
  readonly #device: GPUDevice;
  readonly #queue: RunQueue;
  readonly #slots = new Map<string, Slot>();

  constructor(device: GPUDevice, queue: RunQueue, values: HostTensors) {
    this.#device = device;
    this.#queue = queue;
    for (const [name, value] of Object.entries(values)) {
      const front = createBuffer(device, 4 * sizeOf(value.shape), `state "${name}"`);
      writeTensor(device, front, value);
      this.#slots.set(name, { shape: value.shape, front, back: undefined });
    }
  }

  get names(): readonly string[] {
    return [...this.#slots.keys()];
  }

  read(name: string): Promise<HostTensor> {
    return this.#queue.run(() => {
      const { shape, front } = this.#slot(name);
      return readBuffer(this.#device, front, 'f32', shape);
    });
  }

  write(name: string, value: HostTensor): Promise<void> {
    return this.#queue.run(() => {
      const { shape, front } = this.#slot(name);
      if (!sameShape(shape, value.shape)) {
        throw new ShapeError(`The new value of state "${name}" does not fit.`, {
          expected: formatShape(shape),
          received: formatShape(value.shape),
          where: `state "${name}"`,
        });
      }
      writeTensor(this.#device, front, value);
    });
  }

  dispose(): Promise<void> {
    return this.#queue.run(() => {
      for (const { front, back } of this.#slots.values()) {
        front.destroy();
        back?.destroy();
      }
      this.#slots.clear();
    });
  }

  /** The buffer that holds the current value. @throws InputError unless it has `shape` */
  current(name: string, shape: Shape): GPUBuffer {
    const slot = this.#slot(name);
    if (!sameShape(slot.shape, shape)) {
      throw new InputError(`The state "${name}" does not fit the program.`, {
        expected: formatShape(shape),
        received: formatShape(slot.shape),
        where: `state "${name}"`,
        fix: 'Create the state with the values that this program was traced for.',
      });
    }
    return slot.front;
  }

  /** The buffer that the next value of `name` goes into. */
  next(name: string): GPUBuffer {
    const slot = this.#slot(name);
    slot.back ??= createBuffer(this.#device, 4 * sizeOf(slot.shape), `state "${name}"`);
    return slot.back;
  }

  /** Makes what was written into `next` the current values. */
  swap(names: Iterable<string>): void {
    for (const name of names) {
      const slot = this.#slot(name);
      const written = slot.back!;
      slot.back = slot.front;
      slot.front = written;
    }
  }

  #slot(name: string): Slot {
    const slot = this.#slots.get(name);
    if (slot !== undefined) return slot;
    throw new InputError(`There is no state named "${name}".`, {
      expected: this.names.length === 0 ? 'no state: it was disposed of' : `one of ${this.names.join(', ')}`,
      received: name,
      where: `state "${name}"`,
    });
  }
}
