import { createHash } from 'node:crypto';
import type { Checkpoint, HostTensor, OwnedParameter, ParameterSpec, Weights } from '@kora-bench/core';
import { initialValue } from '@kora-bench/core';

/**
 * The current value of every weight of a cell, by name: the checkpoint's, the method's and the head's.
 * Training replaces values; programs get them as frozen weights or as the start of their state.
 */
export class WeightStore {
  readonly #values = new Map<string, HostTensor>();
  readonly #pretrained: Weights;
  readonly fingerprint: string;

  constructor(checkpoint: Checkpoint) {
    this.#pretrained = checkpoint.tensors;
    this.fingerprint = checkpoint.fingerprint;
    for (const [name, tensor] of checkpoint.tensors)
      if (!name.startsWith('head.')) this.#values.set(name, tensor);
  }

  get values(): Weights {
    return this.#values;
  }

  get(name: string): HostTensor {
    return this.#values.get(name)!;
  }

  set(name: string, value: HostTensor): void {
    this.#values.set(name, value);
  }

  /** Gives parameters their start values, replacing what was there. */
  initialize(parameters: readonly ParameterSpec[], seed: number): void {
    for (const spec of parameters)
      this.#values.set(spec.name, { dtype: 'f32', shape: spec.shape, data: initialValue(spec, seed) });
  }

  /** Gives every method parameter that has no value yet its start value. */
  initializeMissing(parameters: readonly OwnedParameter[], seed: number): void {
    this.initialize(
      parameters.filter(({ name, owner }) => owner !== 'backbone' && !this.#values.has(name)),
      seed,
    );
  }

  /** A copy that can change independently; the tensors themselves are shared. */
  fork(): WeightStore {
    const copy = new WeightStore({ tensors: this.#pretrained, fingerprint: this.fingerprint } as Checkpoint);
    for (const [name, value] of this.#values) copy.set(name, value);
    return copy;
  }

  /** Whether `name` still has the checkpoint's own value. */
  isPretrained(name: string): boolean {
    return this.#values.get(name) === this.#pretrained.get(name);
  }

  /** SHA-256 of one value's bytes. */
  hashOf(name: string): string {
    const { data } = this.get(name);
    return createHash('sha256')
      .update(Buffer.from(data.buffer, data.byteOffset, data.byteLength))
      .digest('hex');
  }
}
