/*
 * The cases of the suite and what compares them, for programs that run them without vitest: on a machine that
 * has nothing but Node, or in parts.
 */
export { compareCase, type OpCase } from './cases/op-case.js';
export { opCases } from './cases/op-cases.js';
export { createOracle, defaultTolerances } from './cases/oracle.js';
export { methodTrainingCases, variantTrainingCases } from './training/method-training-cases.js';
export { toyTrainingCases } from './training/toy-training-cases.js';
export { compareTraining, type TrainingCase, type TrainingComparison } from './training/training-case.js';
export { type Comparison, worstOf } from './values/comparison.js';
