import type { DeviceState } from '@kora-bench/core/backend';
import { InputError, ShapeError } from '@kora-bench/core/errors';
import type { HostTensor, HostTensors } from '@kora-bench/core/graph';
import { formatShape, sameShape } from '@kora-bench/core/graph';
import { toFloat64 } from './float64.js';

/** State in host memory, as float64. Values are replaced whole, never written into. */
export class ReferenceState implements DeviceState {
  readonly #values: Map<string, HostTensor>;

  constructor(values: HostTensors) {
    this.#values = new Map(Object.entries(values).map(([name, value]) => [name, toFloat64(value)]));
  }

  get names(): readonly string[] {
    return [...this.#values.keys()];
  }

  async read(name: string): Promise<HostTensor> {
    return toFloat64(this.get(name));
  }

  async write(name: string, value: HostTensor): Promise<void> {
    const { shape } = this.get(name);
    if (!sameShape(shape, value.shape)) {
      throw new ShapeError(`The value does not fit the state "${name}".`, {
        expected: formatShape(shape),
        received: formatShape(value.shape),
        where: `state "${name}"`,
      });
    }
    this.#values.set(name, toFloat64(value));
  }

  async dispose(): Promise<void> {
    this.#values.clear();
  }

  /** The value itself, not a copy. @throws InputError for an unknown name */
  get(name: string): HostTensor {
    const value = this.#values.get(name);
    if (value === undefined) {
      throw new InputError(`There is no state named "${name}".`, {
        expected: this.#values.size === 0 ? 'no state' : `one of ${this.names.join(', ')}`,
        received: name,
        where: `state "${name}"`,
      });
    }
    return value;
  }

  /** Replaces several values at once. */
  replace(values: ReadonlyMap<string, HostTensor>): void {
    for (const [name, value] of values) this.#values.set(name, value);
  }
}
