import type { Program } from '@kora-bench/core/graph';
import { GraphBuilder } from '@kora-bench/core/graph';
import { vitArchitecture } from '@kora-bench/core/nn';
import { gelu, matmul } from '@kora-bench/core/ops';
import { makeProgram } from '@kora-bench/core/passes';
import { vitLoraStep } from '@kora-bench/testing/timed-programs';
import { vitTinyConfig } from '@kora-bench/testing/vit-configs';
import { describe, expect, it } from 'vitest';
import { create, globals } from 'webgpu';
import { arrangeProgram, lowerProgram } from '../src/compile/prepare-program.js';
import type { KernelTarget, Tile } from '../src/kernels/kernel-target.js';
import { writeKernel } from '../src/kernels/write-kernel.js';
import { bundleKernels } from '../src/plan/bundle-kernels.js';
import type { Bundle, Kernel } from '../src/plan/kernel.js';
import { planKernels } from '../src/plan/plan-kernels.js';
import { generalGpu as general, softwareDriver } from './kernel-targets.js';

/*
 * The compiler of WGSL in Dawn reads every kernel for devices that no machine of the tests has. Its null
 * backend computes nothing, so this says that the kernels are well-formed, not that they are right.
 */
Object.assign(globalThis, globals);
const gpu = create(['backend=null', 'enable-dawn-features=allow_unsafe_apis']);
// Dawn crashes when it is collected before its adapters and devices.
Object.defineProperty(globalThis, 'navigator', { value: { gpu }, configurable: true });
const adapter = (await gpu.requestAdapter())!;
const device = await adapter.requestDevice({
  requiredFeatures: ['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix' as GPUFeatureName],
});

/** As if it had been measured that large tiles are the best for all products. */
class LargeTiles extends Map<string, Tile> {
  override get(): Tile {
    return { rows: 128, columns: 64, depth: 16, laneRows: 8, laneColumns: 4 };
  }
}
const small = { ...general, workgroupBytes: 16_384, mostBuffers: 8 };
const matrixUnits = { M: 16, N: 16, K: 16, component: 'f16', lanes: 32 } as const;
const targets: Readonly<Record<string, KernelTarget>> = {
  GPUs: general,
  'GPUs without subgroups': { ...general, shuffles: false },
  'GPUs with few buffers and little memory': small,
  'such GPUs and large tiles': { ...small, tiles: new LargeTiles() },
  'matrix units, f16': { ...general, precision: 'f16', matrixUnits },
  'matrix units, f32': { ...general, matrixUnits: { ...matrixUnits, M: 8, N: 8, K: 8, component: 'f32' } },
  'software drivers': softwareDriver,
};

const model = vitArchitecture({ ...vitTinyConfig, depth: 2 });

const large = 'a training step of ViT-Tiny with LoRA';

/** Products of sizes that no tile divides. */
function oddProducts(): Program {
  const b = new GraphBuilder();
  const y = gelu(matmul(b.feed('x', [3, 131, 45]), b.frozen('w', [45, 77])));
  return makeProgram({ y, z: matmul(b.feed('u', [131, 45]), b.feed('v', [131, 5]), { transposeA: true }) });
}

describe.each(Object.entries(targets))('kernels for %s', (_, target) => {
  // Limits hold for pipelines, and the null backend has those that every device has.
  const { maxComputeWorkgroupStorageSize, maxStorageBuffersPerShaderStage } = device.limits;
  const fits =
    target.workgroupBytes <= maxComputeWorkgroupStorageSize &&
    target.mostBuffers <= maxStorageBuffersPerShaderStage;
  it.each([
    [large, () => vitLoraStep(8, { model }).program],
    ['products of odd sizes', oddProducts],
  ])('are WGSL: %s', { timeout: 60_000 }, async (title, build) => {
    const program = arrangeProgram(lowerProgram(build()));
    const plan = planKernels(program, target.mostBuffers - 1, target.precision);
    const write = (bundle: Bundle, lanes?: number) =>
      writeKernel(program, plan, bundle, { ...target, lanes });
    const alone = (kernel: Kernel, lanes?: number) => write([kernel], lanes);
    const bundles = bundleKernels(program, plan.kernels, alone, target.mostBuffers);
    const codes = bundles.map(({ kernels, lanes }) => write(kernels, lanes));
    for (const { reads, writes } of codes)
      expect(reads.length + writes.length).toBeLessThanOrEqual(target.mostBuffers);
    for (const code of new Set(codes.map((each) => each.code))) {
      device.pushErrorScope('validation');
      const module = device.createShaderModule({ code });
      const { messages } = await module.getCompilationInfo();
      await device.popErrorScope();
      const errors = messages.filter(({ type }) => type === 'error').map(({ message }) => message);
      expect(errors, code).toEqual([]);
      if (!fits) continue;
      const pipeline = device.createComputePipelineAsync({ layout: 'auto', compute: { module } });
      await expect(pipeline, code).resolves.toBeDefined();
    }
    if (target.matrixUnits !== undefined && title === large)
      expect(codes.some(({ code }) => code.includes('subgroupMatrixMultiplyAccumulate'))).toBe(true);
  });
});
