import type { Backend, BackendDefinition } from '@kora-bench/core/backend';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareCase } from './cases/op-case.js';
import { opCases } from './cases/op-cases.js';
import type { Tolerances } from './cases/oracle.js';
import { createOracle, defaultTolerances } from './cases/oracle.js';
import { specialValueCases } from './cases/special-value-cases.js';
import type { ContractCheck } from './contract/contract-check.js';
import { runChecks } from './contract/run-checks.js';
import { stateChecks } from './contract/state-checks.js';
import { methodTrainingCases, variantTrainingCases } from './training/method-training-cases.js';
import { toyTrainingCases } from './training/toy-training-cases.js';
import type { TrainingCase } from './training/training-case.js';
import { compareTraining } from './training/training-case.js';
import { worstOf } from './values/comparison.js';

export interface SuiteOptions {
  /** Device to test; the backend's default if absent. */
  readonly device?: string;
  /** Options of the backend, as in a configuration; validated by the backend's own schema. */
  readonly backendOptions?: unknown;
  /** Largest accepted errors; for what is absent, `defaultTolerances`. */
  readonly tolerances?: Partial<Tolerances>;
  /**
   * Whether NaN and infinities must come out as IEEE 754 has them; true by default. WGSL lets an implementation assume
   * that there are none.
   */
  readonly notFinite?: boolean;
  /** Milliseconds that one test may take; 60 000 by default. */
  readonly timeout?: number;
}

/** Every promise of the backend contract by group. */
const contractChecks: Readonly<Record<string, readonly ContractCheck[]>> = {
  runs: runChecks,
  state: stateChecks,
};

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
      if (cases === specialValueCases && options.notFinite === false) continue;
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
  describeTraining(
    definition,
    [...toyTrainingCases, ...methodTrainingCases, ...variantTrainingCases],
    options,
  );
}

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

function tolerancesOf({ tolerances }: SuiteOptions): Tolerances {
  return { ...defaultTolerances, ...tolerances };
}

/** `onnxruntime:cpu`, as a title. */
function titleOf(definition: BackendDefinition, { device }: SuiteOptions): string {
  return `${definition.name}:${device ?? definition.defaultDevice}`;
}

async function createUnderTest(definition: BackendDefinition, options: SuiteOptions): Promise<Backend> {
  const parsed = definition.options.parse(options.backendOptions ?? {});
  return definition.create(options.device ?? definition.defaultDevice, parsed);
}
