import type { DType, HostTensor, Shape, Tensor } from '@kora-bench/core/graph';
import { GraphBuilder, hostTensor, sizeOf } from '@kora-bench/core/graph';
import type { RandomStream } from '@kora-bench/core/random';
import { randomStream } from '@kora-bench/core/random';

/** Fills an input; every `f32` value it yields is rounded to float32, so that all backends see the same. */
export interface Values {
  readonly dtype: DType;
  fill(random: RandomStream, length: number): readonly number[];
}

function each(dtype: DType, value: (random: RandomStream) => number): Values {
  return { dtype, fill: (random, length) => Array.from({ length }, () => value(random)) };
}

/** Standard normal, scaled. */
export const normal = (scale = 1): Values => each('f32', (random) => scale * random.normal());

/** Uniform in [low, high). */
export const uniform = (low: number, high: number): Values =>
  each('f32', (random) => low + (high - low) * random.uniform());

/** At least `gap` away from zero, of either sign. */
export const awayFromZero = (gap: number): Values =>
  each('f32', (random) => (random.uniform() < 0.5 ? -1 : 1) * (gap + random.uniform()));

/** Integers 0 … n−1 as `f32`, so that equal values are common. */
export const digits = (n: number): Values => each('f32', (random) => random.uniformInt(n));

/** Integers 0 … n−1 as `i32`. */
export const integers = (n: number): Values => each('i32', (random) => random.uniformInt(n));

/** True or false. */
export const booleans: Values = each('bool', (random) => random.uniformInt(2));

/** Exactly these, repeated as often as needed. */
export const listed = (values: readonly number[], dtype: DType = 'f32'): Values => ({
  dtype,
  fill: (_random, length) => Array.from({ length }, (_, i) => values[i % values.length]!),
});

/**
 * Declares a case's inputs and makes their values at the same time. The values depend on the case's
 * name and the input's position alone.
 */
export class CaseInputs {
  readonly builder = new GraphBuilder();
  readonly feeds: Record<string, HostTensor> = {};
  readonly weights = new Map<string, HostTensor>();
  readonly state: Record<string, HostTensor> = {};
  #count = 0;

  constructor(private readonly seedLabel: string) {}

  readonly feed = (shape: Shape, values: Values = normal()): Tensor => {
    const name = this.#nextName('feed');
    this.feeds[name] = this.#make(name, shape, values);
    return this.builder.feed(name, shape, values.dtype);
  };

  readonly frozen = (shape: Shape, values: Values = normal()): Tensor => {
    const name = this.#nextName('weight');
    this.weights.set(name, this.#make(name, shape, values));
    return this.builder.frozen(name, shape, values.dtype);
  };

  readonly stateOf = (shape: Shape, values: Values = normal()): Tensor => {
    const name = this.#nextName('state');
    this.state[name] = this.#make(name, shape, values);
    return this.builder.state(name, shape);
  };

  #nextName(kind: string): string {
    return `${kind}${this.#count++}`;
  }

  #make(name: string, shape: Shape, { dtype, fill }: Values): HostTensor {
    const values = fill(randomStream(0, `${this.seedLabel}/${name}`), sizeOf(shape));
    switch (dtype) {
      case 'f32':
        return hostTensor(shape, Float32Array.from(values));
      case 'i32':
        return hostTensor(shape, Int32Array.from(values));
      case 'bool':
        return hostTensor(shape, Uint8Array.from(values));
    }
  }
}
