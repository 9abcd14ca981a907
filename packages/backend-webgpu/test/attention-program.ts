import referenceDefinition from '@kora-bench/backend-reference';
import { compareTensors } from '@kora-bench/conformance';
import { gradients } from '@kora-bench/core/autodiff';
import type { Backend } from '@kora-bench/core/backend';
import type { HostTensor, HostTensors, Program } from '@kora-bench/core/graph';
import { GraphBuilder, hostTensor, sizeOf } from '@kora-bench/core/graph';
import { mul, scaledDotProductAttention, sum } from '@kora-bench/core/ops';
import { makeProgram } from '@kora-bench/core/passes';
import { randomStream } from '@kora-bench/core/random';
import { expect } from 'vitest';

/** Heads, N, M, d and e of an attention. */
export type Extents = readonly [heads: number, N: number, M: number, d: number, e: number];

export const fewTokens: Extents = [1, 3, 5, 4, 4];

/** An attention and its adjoints. */
export function attentionProgram([heads, N, M, d, e]: Extents): Program {
  const builder = new GraphBuilder();
  const q = builder.feed('q', [heads, N, d]);
  const k = builder.feed('k', [heads, M, d]);
  const v = builder.feed('v', [heads, M, e]);
  const y = scaledDotProductAttention(q, k, v, 1 / Math.sqrt(d));
  const dy = builder.feed('dy', [heads, N, e]);
  const [dq, dk, dv] = gradients(sum(mul(y, dy)), [q, k, v]);
  return makeProgram({ y, dq: dq!, dk: dk!, dv: dv! });
}

/** Normal numbers, the same for the same extents. */
export function feedsOf([heads, N, M, d, e]: Extents): HostTensors {
  const random = randomStream(0, `attention ${heads} ${N} ${M} ${d} ${e}`);
  const normal = (...shape: number[]) =>
    hostTensor(
      shape,
      Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
    );
  return { q: normal(heads, N, d), k: normal(heads, M, d), v: normal(heads, M, e), dy: normal(heads, N, e) };
}

/** Feeds of `fewTokens` with `value` in the second query; keys are positive, so that its scores have the sign of `value`. */
export function withOneQuery(value: number): HostTensors {
  const { q, k, ...others } = feedsOf(fewTokens);
  const data = Float32Array.from(q!.data, (x, i) => (i === 5 ? value : x));
  const positive = Float32Array.from(k!.data, Math.abs);
  return { q: hostTensor(q!.shape, data), k: hostTensor(k!.shape, positive), ...others };
}

/** Expects of `backend` what the reference makes of an attention and its adjoints. */
export async function expectReference(backend: Backend, program: Program, feeds: HostTensors): Promise<void> {
  const run = async (one: Backend): Promise<Record<string, HostTensor>> => {
    const executable = await one.compile(program, new Map());
    return executable.run({ feeds, fetch: ['y', 'dq', 'dk', 'dv'] });
  };
  const reference = await referenceDefinition.create('cpu', referenceDefinition.options.parse({}));
  const [actual, expected] = [await run(backend), await run(reference)];
  for (const [name, value] of Object.entries(expected)) {
    const { relativeError, worst } = compareTensors(name, actual[name]!, value);
    expect.soft(relativeError, `${name}: ${worst}`).toBeLessThan(2e-5);
  }
}
