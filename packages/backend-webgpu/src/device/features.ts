/** The optional abilities of GPUs that are used where they are. */
export const featureNames = ['f16', 'subgroups', 'subgroupMatrix', 'timestamps'] as const;

/** The name of one of them. */
export type FeatureName = (typeof featureNames)[number];

/** Component types of matrices that programs use; GPUs offer integers too. */
export type MatrixComponent = 'f16' | 'f32';

/** One size of product that the matrix units compute: [M, K] · [K, N] + [M, N]. */
export interface SubgroupMatrixConfig {
  /** Of the two factors. */
  readonly componentType: MatrixComponent;
  /** Of the sum and the result. */
  readonly resultComponentType: MatrixComponent;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

/** What kernels may use: what the device was opened with and a kernel was seen to compute rightly. */
export interface DeviceFeatures {
  /** 16-bit floats, in arithmetic and in buffers. */
  readonly f16: boolean;
  /** The smallest and the largest number of lanes that a subgroup can have. */
  readonly subgroups: { readonly min: number; readonly max: number } | undefined;
  /** Products of matrices by a whole subgroup; empty where there are none. */
  readonly subgroupMatrix: readonly SubgroupMatrixConfig[];
  /** The time of kernels on the device's own clock, in nanoseconds. */
  readonly timestamps: boolean;
}

/** What every device has. */
export const noFeatures: DeviceFeatures = {
  f16: false,
  subgroups: undefined,
  subgroupMatrix: [],
  timestamps: false,
};

/** What to ask a device for so that it has `features`. */
export function requiredFeatures(features: DeviceFeatures): GPUFeatureName[] {
  const wanted = featureNames.filter((name) => hasFeature(features, name));
  return wanted.map((name) => webgpuNames[name]);
}

/** Whether kernels may use a feature. */
export function hasFeature(features: DeviceFeatures, name: FeatureName): boolean {
  const value = features[name];
  return typeof value === 'object' && 'length' in value ? value.length > 0 : Boolean(value);
}

/** WebGPU's names of the features. */
export const webgpuNames: Readonly<Record<FeatureName, GPUFeatureName>> = {
  f16: 'shader-f16',
  subgroups: 'subgroups',
  // Not in the standard yet: Dawn and Chromium have it behind a switch.
  subgroupMatrix: 'chromium-experimental-subgroup-matrix' as GPUFeatureName,
  timestamps: 'timestamp-query',
};
