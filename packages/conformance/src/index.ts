export type { MethodCheck, MethodSuiteOptions } from '@kora-bench/testing/method-suite';
// Written there, because the methods of this repository are tested with it and this package imports them.
export { describeMethod, methodChecks } from '@kora-bench/testing/method-suite';
export type { SuiteOptions, Tolerances } from './backend-under-test.js';
export { createOracle, defaultTolerances } from './backend-under-test.js';
export type { Values } from './case-inputs.js';
export {
  awayFromZero,
  booleans,
  CaseInputs,
  digits,
  integers,
  listed,
  normal,
  uniform,
} from './case-inputs.js';
export { binaryOps, broadcastPairs, unaryOps } from './cases/elementwise-cases.js';
export { opCases } from './cases/op-cases.js';
export type { Comparison } from './comparison.js';
export { compareTensors, relativeErrorOfChange, worstOf } from './comparison.js';
export { describeBackend } from './describe-backend.js';
export { describeTraining } from './describe-training.js';
export type { Differentiable, GradientError } from './finite-differences.js';
export { finiteDifferenceErrors } from './finite-differences.js';
export type { OpCase, ToleranceKind, TracedCase } from './op-case.js';
export { compareCase, runTraced, traceCase } from './op-case.js';
export type { MethodRecipe } from './training/method-recipes.js';
export { methodRecipes } from './training/method-recipes.js';
export { methodTrainingCases } from './training/method-training-cases.js';
export { toyTrainingCases } from './training/toy-training-cases.js';
export type { Training, TrainingCase, TrainingComparison } from './training/training-case.js';
export { compareTraining } from './training/training-case.js';
