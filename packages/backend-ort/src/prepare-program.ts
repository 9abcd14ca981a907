import type { Program } from '@kora-bench/core';
import { lowerComposites, rewriteProgram, simplify } from '@kora-bench/core';
import { nativeComposites } from './export/emit-composite.js';

/** Rewrites a program into the form that the export understands and that onnxruntime is fast on. */
export function prepareProgram(program: Program): Program {
  return rewriteProgram(lowerComposites(rewriteProgram(program, simplify), nativeComposites), simplify);
}
