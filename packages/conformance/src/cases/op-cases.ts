import { compositeCases } from './composite-cases.js';
import { elementwiseCases } from './elementwise-cases.js';
import { gradientCases } from './gradient-cases.js';
import { layoutCases } from './layout-cases.js';
import { matmulCases } from './matmul-cases.js';
import type { OpCase } from './op-case.js';
import { reductionCases } from './reduction-cases.js';
import { specialValueCases } from './special-value-cases.js';

/** Every case of the suite by group. To add one, add it to its group's list. */
export const opCases: Readonly<Record<string, readonly OpCase[]>> = {
  elementwise: elementwiseCases,
  reductions: reductionCases,
  'matmul and linear': matmulCases,
  layout: layoutCases,
  composites: compositeCases,
  gradients: gradientCases,
  'NaN and infinities': specialValueCases,
};
