import type { Backend, BackendDefinition } from '@kora-bench/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SuiteOptions } from './backend-under-test.js';
import { createOracle, createUnderTest, titleOf, tolerancesOf } from './backend-under-test.js';
import type { TrainingCase } from './training/training-case.js';
import { compareTraining } from './training/training-case.js';

/** Registers a comparison of each case with the reference after 1 and after 20 steps. */
export function describeTraining(
  definition: BackendDefinition,
  cases: readonly TrainingCase[],
  options: SuiteOptions = {},
): void {
  const timeout = options.timeout ?? 60_000;
  describe(`${titleOf(definition, options)} trains`, () => {
    let backend: Backend;
    let reference: Backend;
    beforeAll(async () => {
      reference = await createOracle();
      backend = await createUnderTest(definition, options);
    }, timeout);
    afterAll(async () => {
      await backend?.dispose();
      await reference.dispose();
    }, timeout);

    describe.each(cases)('$name', (trainingCase) => {
      const limit = trainingCase.tolerance ?? tolerancesOf(options).training;
      it.each([1, 20])('as the reference does over %i step(s)', { timeout }, async (steps) => {
        for (const { value, relativeError } of await compareTraining(
          backend,
          reference,
          trainingCase,
          steps,
        )) {
          expect(
            relativeError,
            `${value} has relative error ${relativeError} after ${steps} step(s), allowed are ${limit}`,
          ).toBeLessThanOrEqual(limit);
        }
      });
    });
  });
}
