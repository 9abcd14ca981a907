import type { KernelTarget } from '../src/kernels/kernel-target.js';

/** A GPU that can do what most can. */
export const generalGpu: KernelTarget = {
  sharing: { kind: 'workgroup' },
  shuffles: true,
  quads: true,
  precision: 'f32',
  workgroupBytes: 32_768,
  mostBuffers: 10,
};

export const softwareDriver: KernelTarget = { ...generalGpu, sharing: { kind: 'subgroup', size: 8 } };
