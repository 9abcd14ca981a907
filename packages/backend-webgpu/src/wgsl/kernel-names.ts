import type { NodeId } from '@kora-bench/core';
import type { Width } from './place.js';

/** A buffer as a kernel reads it: one bound for single elements, another for four at a time. */
export interface ReadBinding {
  readonly id: NodeId;
  readonly width: Width;
  readonly name: string;
}

/** The names in a kernel: of the buffers that it reads and of what it computes. */
export class KernelNames {
  readonly #bindings = new Map<string, ReadBinding>();
  readonly #written = new Map<NodeId, string>();
  readonly #offsets: number[] = [];
  #values = 0;

  /** A new name for a value. */
  fresh(): string {
    return `v${this.#values++}`;
  }

  /** From now on the kernel reads `id` where it has written it, in the buffer of this name. */
  readBack(id: NodeId, name: string): void {
    this.#written.set(id, name);
  }

  /** The name of the buffer of `id`, which the kernel reads from now on. */
  bufferOf(id: NodeId, width: Width): string {
    const written = this.#written.get(id);
    if (written !== undefined) return written;
    const key = `${id} ${width}`;
    let binding = this.#bindings.get(key);
    if (binding === undefined) {
      binding = { id, width, name: `in${this.#bindings.size}` };
      this.#bindings.set(key, binding);
    }
    return binding.name;
  }

  /**
   * A number that the kernel is given when it runs, so that kernels which differ only in where they read or
   * write (the same layer of other blocks) share their code.
   */
  offset(elements: number): string {
    const index = this.#offsets.push(elements) - 1;
    return `offsets[${Math.floor(index / 4)}][${index % 4}]`;
  }

  get offsets(): readonly number[] {
    return this.#offsets;
  }

  get reads(): readonly ReadBinding[] {
    return [...this.#bindings.values()];
  }
}
