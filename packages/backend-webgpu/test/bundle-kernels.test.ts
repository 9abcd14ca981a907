import type { NodeId, Program } from '@kora-bench/core/graph';
import { GraphBuilder } from '@kora-bench/core/graph';
import { vitArchitecture } from '@kora-bench/core/nn';
import { add, layerNorm, matmul } from '@kora-bench/core/ops';
import { makeProgram } from '@kora-bench/core/passes';
import { vitLoraStep } from '@kora-bench/testing/timed-programs';
import { vitTinyConfig } from '@kora-bench/testing/vit-configs';
import { describe, expect, it } from 'vitest';
import { arrangeProgram, lowerProgram } from '../src/compile/prepare-program.js';
import type { KernelTarget } from '../src/kernels/kernel-target.js';
import { writeKernel } from '../src/kernels/write-kernel.js';
import { bundleKernels } from '../src/plan/bundle-kernels.js';
import { planKernels } from '../src/plan/plan-kernels.js';
import { generalGpu, softwareDriver } from './kernel-targets.js';

const mostBuffers = 16;
const gpu: KernelTarget = { ...generalGpu, mostBuffers };
const software: KernelTarget = { ...softwareDriver, mostBuffers };

/** The dispatches of a program in order, each with what it reads and writes. */
function dispatchesOf(given: Program, target: KernelTarget) {
  const program = arrangeProgram(lowerProgram(given));
  const plan = planKernels(program, target.mostBuffers - 1, target.precision);
  const bundles = bundleKernels(
    program,
    plan.kernels,
    (kernel, lanes) => writeKernel(program, plan, [kernel], { ...target, lanes }),
    target.mostBuffers,
  );
  return bundles.map(({ kernels, lanes }) => writeKernel(program, plan, kernels, { ...target, lanes }));
}

/** A training step of two blocks. */
const step = (batch: number) =>
  vitLoraStep(batch, { model: vitArchitecture({ ...vitTinyConfig, depth: 2 }) }).program;

describe.each([
  ['GPUs', gpu],
  ['software drivers', software],
])('dispatches for %s', (_, target) => {
  it.each([1, 8])('come after all that they read, in a training step of batch %i', (batch) => {
    const dispatches = dispatchesOf(step(batch), target);
    const lastWrite = new Map<NodeId, number>();
    dispatches.forEach(({ writes }, i) => {
      for (const id of writes) lastWrite.set(id, i);
    });
    dispatches.forEach(({ reads }, i) => {
      for (const id of reads) expect(lastWrite.get(id) ?? -1).toBeLessThan(i);
    });
  });

  it('grow little in number with the batch, though gradients are added up from parts', () => {
    const [one, eight] = [1, 8].map((batch) => dispatchesOf(step(batch), target).length);
    expect(eight! - one!).toBeLessThan(8);
  });

  it('are two for a layer with a low-rank update in front of a layer norm', () => {
    const builder = new GraphBuilder();
    const frozen = (name: string, ...shape: number[]) => builder.frozen(name, shape);
    const x = builder.feed('x', [64, 64]);
    const update = matmul(matmul(x, builder.state('a', [64, 8])), builder.state('b', [8, 64]));
    const sum = add(add(add(matmul(x, frozen('w', 64, 64)), frozen('bias', 64)), update), x);
    const y = layerNorm(sum, frozen('gamma', 64), frozen('beta', 64), 1e-6);
    expect(dispatchesOf(makeProgram({ sum, y }), target)).toHaveLength(2);
  });
});
