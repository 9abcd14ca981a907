import type { DeviceState, HostTensor, HostTensors, RunQueue, Shape } from '@kora-bench/core';
import { formatShape, InputError, ShapeError, sameShape } from '@kora-bench/core';
import type { Tensor } from 'onnxruntime-node';
import type { Engine } from './engine/engine.js';
import { allocate } from './engine/host-transfer.js';

interface Slot {
  readonly shape: Shape;
  /** The current value. */
  front: Tensor;
  /** Where the next value is written; made for the first update. */
  back: Tensor | undefined;
}

/**
 * Named values in tensors that the engine reads and writes in place. An update is written into a second
 * tensor, and the two change places when the whole run has succeeded: nothing is copied, and a run that
 * fails changes nothing.
 */
export class OrtState implements DeviceState {
  readonly #engine: Engine;
  readonly #queue: RunQueue;
  readonly #slots = new Map<string, Slot>();

  constructor(engine: Engine, queue: RunQueue, values: HostTensors) {
    this.#engine = engine;
    this.#queue = queue;
    for (const [name, { dtype, shape, data }] of Object.entries(values)) {
      const front = allocate(engine, dtype, shape);
      (front.data as Float32Array).set(data);
      this.#slots.set(name, { shape, front, back: undefined });
    }
  }

  get names(): readonly string[] {
    return [...this.#slots.keys()];
  }

  read(name: string): Promise<HostTensor> {
    return this.#queue.run(() => {
      const { shape, front } = this.#slot(name);
      return { dtype: 'f32', shape, data: (front.data as Float32Array).slice() };
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
      (front.data as Float32Array).set(value.data);
    });
  }

  dispose(): Promise<void> {
    return this.#queue.run(() => this.#slots.clear());
  }

  /** The tensor that holds the current value. @throws InputError unless it has `shape` */
  current(name: string, shape: Shape): Tensor {
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

  /** The tensor that the next value of `name` goes into. */
  next(name: string): Tensor {
    const slot = this.#slot(name);
    slot.back ??= allocate(this.#engine, 'f32', slot.shape);
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
