import referenceDefinition from '@kora-bench/backend-reference';
import definition from '@kora-bench/backend-webgpu';
import { compareTensors } from '@kora-bench/conformance';
import { gradients } from '@kora-bench/core/autodiff';
import type { Backend } from '@kora-bench/core/backend';
import type { HostTensor, HostTensors, Program } from '@kora-bench/core/graph';
import { GraphBuilder, hostTensor, sizeOf } from '@kora-bench/core/graph';
import { mul, scaledDotProductAttention, sum } from '@kora-bench/core/ops';
import { makeProgram } from '@kora-bench/core/passes';
import { randomStream } from '@kora-bench/core/random';
import { afterAll, describe, expect, it } from 'vitest';
import { withAdapter } from './with-adapter.js';

/** Heads, N, M, d and e of an attention. */
type Extents = readonly [heads: number, N: number, M: number, d: number, e: number];

/** Several blocks of own rows and tiles of others, columns that are no multiple of 4, one row of a side, a ViT's. */
const shapes: readonly Extents[] = [
  [2, 70, 41, 6, 3],
  [2, 1, 7, 3, 5],
  [2, 9, 2, 4, 2],
  [1, 7, 9, 256, 256],
  [1, 5, 6, 300, 4],
  [2, 197, 197, 64, 64],
];
/** Beyond the end of one axis of a dispatch. */
const manyHeads: Extents = [66_000, 1, 2, 2, 2];

/** Software drivers compile a kernel in seconds. */
const timeout = 300_000;

/** An attention and its adjoints. */
function attentionProgram([heads, N, M, d, e]: Extents): Program {
  const builder = new GraphBuilder();
  const q = builder.feed('q', [heads, N, d]);
  const k = builder.feed('k', [heads, M, d]);
  const v = builder.feed('v', [heads, M, e]);
  const y = scaledDotProductAttention(q, k, v, 1 / Math.sqrt(d));
  const dy = builder.feed('dy', [heads, N, e]);
  const [dq, dk, dv] = gradients(sum(mul(y, dy)), [q, k, v]);
  return makeProgram({ y, dq: dq!, dk: dk!, dv: dv! });
}

function feedsOf([heads, N, M, d, e]: Extents): HostTensors {
  const random = randomStream(0, `attention ${heads} ${N} ${M} ${d} ${e}`);
  const normal = (...shape: number[]) =>
    hostTensor(
      shape,
      Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
    );
  return { q: normal(heads, N, d), k: normal(heads, M, d), v: normal(heads, M, e), dy: normal(heads, N, e) };
}

withAdapter(() => {
  describe.each(['subgroup', 'workgroup'] as const)('attention with kernels: %s', { timeout }, (kernels) => {
    let opened: Promise<Backend> | undefined;
    const backend = () => {
      opened ??= definition.create('gpu', definition.options.parse({ kernels }));
      return opened;
    };
    afterAll(async () => (await opened)?.dispose(), timeout);

    async function check(extents: Extents, feeds: HostTensors): Promise<void> {
      const program = attentionProgram(extents);
      const run = async (one: Backend): Promise<Record<string, HostTensor>> => {
        const executable = await one.compile(program, new Map());
        return executable.run({ feeds, fetch: ['y', 'dq', 'dk', 'dv'] });
      };
      const reference = await referenceDefinition.create('cpu', referenceDefinition.options.parse({}));
      const [actual, expected] = [await run(await backend()), await run(reference)];
      for (const [name, value] of Object.entries(expected)) {
        const { relativeError, worst } = compareTensors(name, actual[name]!, value);
        expect.soft(relativeError, `${name}: ${worst}`).toBeLessThan(2e-5);
      }
    }

    it.each<Extents>(shapes)(
      'follows the reference, heads %i, N %i, M %i, d %i, e %i',
      async (...extents) => {
        await check(extents, feedsOf(extents));
      },
    );

    it('runs more heads than an axis of a dispatch has workgroups', () =>
      check(manyHeads, feedsOf(manyHeads)));

    it.each([
      ['NaN', Number.NaN],
      ['infinity', Number.POSITIVE_INFINITY],
      ['scores beyond the range of exp', 250],
      ['scores far below it', -250],
    ])('gives what softmax gives: %s', async (_, value) => {
      const extents: Extents = [1, 3, 5, 4, 4];
      const { q, k, ...others } = feedsOf(extents);
      const data = Float32Array.from(q!.data, (x, i) => (i === 5 ? value : x));
      const positive = Float32Array.from(k!.data, Math.abs);
      await check(extents, { q: hostTensor(q!.shape, data), k: hostTensor(k!.shape, positive), ...others });
    });
  });
});
