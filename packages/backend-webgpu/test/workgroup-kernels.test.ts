import definition from '@kora-bench/backend-webgpu';
import {
  compareCase,
  createOracle,
  defaultTolerances,
  describeTraining,
  opCases,
  toyTrainingCases,
  worstOf,
} from '@kora-bench/conformance';
import type { Backend } from '@kora-bench/core/backend';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withAdapter } from './with-adapter.js';

/*
 * The kernels for GPUs, on whatever driver there is: those that differ from the kernels for software drivers,
 * which the whole suite runs, are products, attention and what several lanes add up together.
 */
const timeout = 300_000;
const backendOptions = { kernels: 'workgroup' } as const;
/** Lavapipe takes seconds to compile one of these kernels, so they are few. */
const chosen =
  /^(matmul \[(17, 31|130, 257|4, 5, 7)\]·|sum over every kind|softmax$|layerNorm(,|$)|crossEntropy with)/;
const cases = Object.values(opCases)
  .flat()
  .filter(({ name }) => chosen.test(name));

withAdapter(() => {
  describe('kernels that share the memory of a workgroup', () => {
    let backend: Backend;
    let reference: Backend;
    beforeAll(async () => {
      reference = await createOracle();
      backend = await definition.create('gpu', definition.options.parse(backendOptions));
    }, timeout);
    afterAll(async () => {
      await backend?.dispose();
      await reference.dispose();
    }, timeout);

    it.each(cases)('$name', { timeout }, async (opCase) => {
      const { relativeError, worst } = worstOf(await compareCase(backend, reference, opCase));
      expect(relativeError, worst).toBeLessThanOrEqual(defaultTolerances[opCase.tolerance ?? 'forward']);
    });
  });

  const trained = toyTrainingCases.filter(({ name }) => name.startsWith('a pre-norm attention block'));
  describeTraining(definition, trained, { backendOptions, timeout });
  it('are chosen by names that exist', () => {
    expect(cases.length).toBeGreaterThan(6);
    expect(trained).toHaveLength(1);
  });
});
