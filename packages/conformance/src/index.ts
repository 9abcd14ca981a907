export type { MethodCheck, MethodSuiteOptions } from '@kora-bench/testing/method-suite';
// Written there, because the methods of this repository are tested with it and this package imports them.
export { describeMethod, methodChecks } from '@kora-bench/testing/method-suite';
export { binaryOps, broadcastPairs, unaryOps } from './cases/elementwise-cases.js';
export {
  compareCase,
  type OpCase,
  runTraced,
  type ToleranceKind,
  type TracedCase,
  traceCase,
} from './cases/op-case.js';
export { opCases } from './cases/op-cases.js';
export { createOracle, defaultTolerances, type Tolerances } from './cases/oracle.js';
export { specialValueCases } from './cases/special-value-cases.js';
export { describeBackend, describeTraining, type SuiteOptions } from './describe-backend.js';
export {
  type MethodRecipe,
  methodRecipes,
  methodTrainingCases,
  variantTrainingCases,
} from './training/method-training-cases.js';
export { toyTrainingCases } from './training/toy-training-cases.js';
export {
  compareTraining,
  type Training,
  type TrainingCase,
  type TrainingComparison,
} from './training/training-case.js';
export {
  awayFromZero,
  booleans,
  CaseInputs,
  digits,
  integers,
  listed,
  normal,
  uniform,
  type Values,
} from './values/case-inputs.js';
export { type Comparison, compareTensors, relativeErrorOfChange, worstOf } from './values/comparison.js';
export {
  type Differentiable,
  finiteDifferenceErrors,
  type GradientError,
} from './values/finite-differences.js';
