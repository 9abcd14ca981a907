/*
 * The cases of the suite and what compares them, for programs that run them without vitest: on a machine that
 * has nothing but Node, or in parts.
 */
export { createOracle, defaultTolerances } from './backend-under-test.js';
export { opCases } from './cases/op-cases.js';
export type { Comparison } from './comparison.js';
export { worstOf } from './comparison.js';
export type { OpCase } from './op-case.js';
export { compareCase } from './op-case.js';
export { methodTrainingCases } from './training/method-training-cases.js';
export { toyTrainingCases } from './training/toy-training-cases.js';
export type { TrainingCase, TrainingComparison } from './training/training-case.js';
export { compareTraining } from './training/training-case.js';
