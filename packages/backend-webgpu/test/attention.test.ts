import definition from '@kora-bench/backend-webgpu';
import type { Backend } from '@kora-bench/core/backend';
import type { HostTensors } from '@kora-bench/core/graph';
import { afterAll, describe, it } from 'vitest';
import {
  attentionProgram,
  type Extents,
  expectReference,
  feedsOf,
  fewTokens,
  withOneQuery,
} from './attention-program.js';
import { withAdapter } from './with-adapter.js';

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

withAdapter(() => {
  describe.each(['subgroup', 'workgroup'] as const)('attention with kernels: %s', { timeout }, (kernels) => {
    let opened: Promise<Backend> | undefined;
    const backend = () => {
      opened ??= definition.create('gpu', definition.options.parse({ kernels }));
      return opened;
    };
    afterAll(async () => (await opened)?.dispose(), timeout);

    const check = async (extents: Extents, feeds: HostTensors) =>
      expectReference(await backend(), attentionProgram(extents), feeds);

    it.each<Extents>(shapes)(
      'follows the reference, heads %i, N %i, M %i, d %i, e %i',
      async (...extents) => {
        await check(extents, feedsOf(extents));
      },
    );

    it('runs more heads than an axis of a dispatch has workgroups', () =>
      check(manyHeads, feedsOf(manyHeads)));

    it.each([
      ['scores beyond the range of exp', 250],
      ['scores far below it', -250],
    ])('gives what softmax gives: %s', async (_, value) => {
      await check(fewTokens, withOneQuery(value));
    });
  });
});
