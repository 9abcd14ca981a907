import type { NodeId } from '@kora-bench/core/graph';
import type { Width } from './element-index.js';

/** A kernel as WGSL. The buffers that it writes come first among its bindings, then those that it reads. */
export interface KernelCode {
  readonly code: string;
  readonly writes: readonly NodeId[];
  readonly reads: readonly NodeId[];
  /** Numbers for its last binding, a uniform buffer of `vec4u`; there is none where this is empty. */
  readonly offsets: readonly number[];
  readonly workgroupSize: number;
  readonly workgroups: readonly [number, number, number];
}

/** A kernel, and what is asked before others join it. */
export interface WrittenKernel extends KernelCode {
  /** What is bound for reading, by names that other kernels have for the same: a buffer as numbers or as fours. */
  readonly bound: readonly string[];
  /** Whether it cannot run in one dispatch with others. */
  readonly alone: boolean;
}

/** The most workgroups along one axis of a dispatch. */
const mostWorkgroups = 65_535;

/** `count` workgroups in a grid that no axis of is too long; the last row may be longer than needed. */
export function spread(count: number): readonly [number, number, number] {
  if (count <= mostWorkgroups) return [count, 1, 1];
  const rows = Math.ceil(count / mostWorkgroups);
  return [Math.ceil(count / rows), rows, 1];
}

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
