import definition from '@kora-bench/backend-webgpu';
import {
  compareCase,
  createOracle,
  defaultTolerances,
  specialValueCases,
  worstOf,
} from '@kora-bench/conformance';
import { describe, expect, it } from 'vitest';
import { attentionProgram, expectReference, fewTokens, withOneQuery } from './attention-program.js';
import { withAdapter } from './with-adapter.js';

// WGSL lets a driver assume that there are no NaN and no infinities. GPUs and lavapipe keep them, and a run that
// diverges must show; SwiftShader drops them.
withAdapter(() => {
  describe('NaN and infinities', { timeout: 300_000 }, () => {
    it.each(specialValueCases)('$name', async (opCase) => {
      const backend = await definition.create('gpu', definition.options.parse({}));
      const { output, relativeError, worst } = worstOf(
        await compareCase(backend, await createOracle(), opCase),
      );
      expect(relativeError, `${output}: ${worst}`).toBeLessThanOrEqual(defaultTolerances.forward);
      await backend.dispose();
    });

    it.each([
      ['subgroup', 'NaN', Number.NaN],
      ['subgroup', 'infinity', Number.POSITIVE_INFINITY],
      ['workgroup', 'NaN', Number.NaN],
      ['workgroup', 'infinity', Number.POSITIVE_INFINITY],
    ])('attention with kernels %s gives what softmax gives: %s', async (kernels, _, value) => {
      const backend = await definition.create('gpu', definition.options.parse({ kernels }));
      await expectReference(backend, attentionProgram(fewTokens), withOneQuery(value));
      await backend.dispose();
    });
  });
});
