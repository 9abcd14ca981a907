import { InputError, ShapeError } from '../errors/kora-error.js';
import { formatShape, type Shape, sameShape } from '../graph/shape.js';
import type { HostTensor, HostTensors } from '../tensor/host-tensor.js';
import type { DeviceState } from './backend.js';
import type { RunQueue } from './runs.js';

/** Where an engine keeps the values of a state. All of them are `f32`. */
export interface StateStorage<Handle> {
  allocate(name: string, shape: Shape): Handle;
  write(handle: Handle, value: HostTensor): void;
  /** A copy. */
  read(handle: Handle, shape: Shape): HostTensor | Promise<HostTensor>;
  release(handle: Handle): void;
}

interface Slot<Handle> {
  readonly shape: Shape;
  /** The current value. */
  front: Handle;
  /** Where the next value is written; made for the first update. */
  back: Handle | undefined;
}

/**
 * Named values that a run reads from one handle and writes into another. The two are swapped when the
 * whole run has succeeded: nothing is copied, and a run that fails changes nothing.
 */
export class PairedState<Handle> implements DeviceState {
  readonly #queue: RunQueue;
  readonly #storage: StateStorage<Handle>;
  readonly #slots = new Map<string, Slot<Handle>>();

  constructor(queue: RunQueue, storage: StateStorage<Handle>, values: HostTensors) {
    this.#queue = queue;
    this.#storage = storage;
    for (const [name, value] of Object.entries(values)) {
      const front = storage.allocate(name, value.shape);
      storage.write(front, value);
      this.#slots.set(name, { shape: value.shape, front, back: undefined });
    }
  }

  get names(): readonly string[] {
    return [...this.#slots.keys()];
  }

  read(name: string): Promise<HostTensor> {
    return this.#queue.run(() => {
      const { shape, front } = this.#slot(name);
      return this.#storage.read(front, shape);
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
      this.#storage.write(front, value);
    });
  }

  dispose(): Promise<void> {
    return this.#queue.run(() => {
      for (const { front, back } of this.#slots.values()) {
        this.#storage.release(front);
        if (back !== undefined) this.#storage.release(back);
      }
      this.#slots.clear();
    });
  }

  /** Where the current value is. @throws InputError unless it has `shape` */
  current(name: string, shape: Shape): Handle {
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

  /** Where the next value of `name` goes. */
  next(name: string): Handle {
    const slot = this.#slot(name);
    slot.back ??= this.#storage.allocate(name, slot.shape);
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

  #slot(name: string): Slot<Handle> {
    const slot = this.#slots.get(name);
    if (slot !== undefined) return slot;
    throw new InputError(`There is no state named "${name}".`, {
      expected: this.names.length === 0 ? 'no state: it was disposed of' : `one of ${this.names.join(', ')}`,
      received: name,
      where: `state "${name}"`,
    });
  }
}

/** The state of a run, as the class that a backend makes. @throws InputError when another backend made it */
export function ownState<State extends DeviceState>(
  kind: abstract new (...args: never[]) => State,
  state: DeviceState | undefined,
): State | undefined {
  if (state === undefined || state instanceof kind) return state;
  throw new InputError('The state was made by another backend.', {
    expected: 'a state from createState of this backend',
    received: state.constructor.name,
    where: 'state',
  });
}
