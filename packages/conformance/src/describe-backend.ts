import type { Backend, BackendDefinition } from '@kora-bench/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SuiteOptions } from './backend-under-test.js';
import { createOracle, createUnderTest, titleOf, tolerancesOf } from './backend-under-test.js';
import { opCases } from './cases/op-cases.js';
import { worstOf } from './comparison.js';
import { contractChecks } from './contract/contract-checks.js';
import { describeTraining } from './describe-training.js';
import { compareCase } from './op-case.js';
import { methodTrainingCases } from './training/method-training-cases.js';
import { toyTrainingCases } from './training/toy-training-cases.js';

/**
 * Registers the whole suite for one backend with vitest: every op, composite and gradient against the
 * reference on the same random inputs, the contract of runs and state, and whole training
 * steps of toy models and of every method.
 * A backend's conformance test is this one line.
 */
export function describeBackend(definition: BackendDefinition, options: SuiteOptions = {}): void {
  const tolerances = tolerancesOf(options);
  const timeout = options.timeout ?? 60_000;
  describe(`${titleOf(definition, options)} conforms`, () => {
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

    for (const [group, cases] of Object.entries(opCases)) {
      describe(group, () => {
        it.each(cases)('$name', { timeout }, async (opCase) => {
          const { output, relativeError, worst } = worstOf(await compareCase(backend, reference, opCase));
          const limit = tolerances[opCase.tolerance ?? 'forward'];
          expect(
            relativeError,
            `output "${output}" has relative error ${relativeError}, allowed are ${limit}: ${worst}`,
          ).toBeLessThanOrEqual(limit);
        });
      });
    }

    for (const [group, checks] of Object.entries(contractChecks)) {
      describe(group, () => {
        it.each(checks)('$name', { timeout }, ({ check }) => check(backend));
      });
    }

    describe('definition', () => {
      it('reports every device when probed', async () => {
        const probed = (await definition.probe()).map(({ device }) => device);
        expect(probed.sort()).toEqual([...definition.devices].sort());
      });
      it('refuses an unknown device with the fix', { timeout }, async () => {
        const parsed = definition.options.parse(options.backendOptions ?? {});
        const refused = definition.create('no-such-device', parsed);
        await expect(refused).rejects.toMatchObject({ code: 'BACKEND', fix: expect.any(String) });
      });
      it('refuses unknown options', () => {
        expect(definition.options.safeParse({ noSuchOption: 1 }).success).toBe(false);
      });
      it('names itself', () => {
        expect(backend.name).toBe(definition.name);
        expect(backend.device).not.toBe('');
      });
    });
  });
  describeTraining(definition, [...toyTrainingCases, ...methodTrainingCases], options);
}
