import type { ContractCheck } from './contract-check.js';
import { runChecks } from './run-checks.js';
import { stateChecks } from './state-checks.js';

/** Every promise of the backend contract by group. */
export const contractChecks: Readonly<Record<string, readonly ContractCheck[]>> = {
  runs: runChecks,
  state: stateChecks,
};
