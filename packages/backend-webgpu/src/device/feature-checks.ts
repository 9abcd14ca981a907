import type { DeviceFeatures, FeatureName, SubgroupMatrixConfig } from './features.js';
import { requiredFeatures } from './features.js';

/**
 * Uses a feature on a device that is opened for this check alone.
 * @param known features that were checked before and work
 * @returns what can be used
 * @throws Error that says why it cannot
 */
type FeatureCheck<Name extends FeatureName> = (
  adapter: GPUAdapter,
  known: DeviceFeatures,
) => Promise<DeviceFeatures[Name]>;

/** How each feature is checked: a bit that an adapter sets is no proof that its kernels compute rightly. */
export const featureChecks: { readonly [Name in FeatureName]: FeatureCheck<Name> } = {
  f16: async (adapter, known) => {
    const code = `enable f16;
@group(0) @binding(0) var<storage, read> x: array<f16>;
@group(0) @binding(1) var<storage, read_write> y: array<f16>;
@compute @workgroup_size(4)
fn main(@builtin(local_invocation_index) i: u32) { y[i] = x[i] * x[i] + 0.5h; }`;
    // The bits of 1.5, −2, 0.25 and 8, and of their squares plus a half.
    const input = Uint16Array.of(0x3e00, 0xc000, 0x3400, 0x4800);
    const expected = Uint16Array.of(0x4180, 0x4480, 0x3880, 0x5408);
    await withDevice(adapter, { ...known, f16: true }, async (device) => {
      requireSame(new Uint16Array(await runKernel(device, code, input, 8)), expected);
    });
    return true;
  },

  subgroups: async (adapter, known) => {
    const { subgroupMinSize: min, subgroupMaxSize: max } = adapter.info;
    if (min === undefined || max === undefined) throw new Error('the adapter does not report their size');
    const lanes = max;
    const code = `enable subgroups;
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(${lanes})
fn main(@builtin(local_invocation_index) i: u32, @builtin(subgroup_size) size: u32) {
  y[i] = size;
  y[${lanes}u + i] = subgroupAdd(x[i]);
  y[${2 * lanes}u + i] = subgroupShuffleXor(i, 1u);
  y[${3 * lanes}u + i] = subgroupBroadcast(i, 1u);
}`;
    const subgroups = { min, max };
    await withDevice(adapter, { ...known, subgroups }, async (device) => {
      const ones = new Uint32Array(lanes).fill(1);
      const output = await runKernel(device, code, ones, 16 * lanes);
      const part = (index: number) => Array.from(new Uint32Array(output, 4 * lanes * index, lanes));
      const [sizes, sums, partners, broadcasts] = [part(0), part(1), part(2), part(3)];
      // Which lane is where is the driver's choice, so only what holds for every choice is asked for.
      const right = sizes.every(
        (size, i) =>
          size >= min &&
          size <= max &&
          sums[i] === size &&
          partners[i] !== i &&
          partners[partners[i]!] === i &&
          broadcasts.filter((lane) => lane === broadcasts[i]).length === size,
      );
      if (!right) throw new Error('a kernel that uses them computes wrong results');
    });
    return subgroups;
  },

  subgroupMatrix: async (adapter, known) => {
    const usable = offeredMatrices(adapter.info).filter((config) => known.f16 || !usesF16(config));
    if (usable.length === 0)
      throw new Error('the adapter offers none for f32, and none for f16 where f16 works');
    const lanes = adapter.info.subgroupMaxSize ?? 32;
    const working: SubgroupMatrixConfig[] = [];
    let refused: unknown;
    await withDevice(adapter, { ...known, subgroupMatrix: usable }, async (device) => {
      for (const config of usable) {
        try {
          const { input, expected } = matrixProduct(config);
          const code = matrixKernel(config, lanes);
          const output = await runKernel(device, code, input, expected.byteLength);
          requireSame(new Float32Array(output), expected);
          working.push(config);
        } catch (cause) {
          refused ??= cause;
        }
      }
    });
    if (working.length === 0) throw refused;
    return working;
  },

  timestamps: async (adapter, known) => {
    await withDevice(adapter, { ...known, timestamps: true }, async (device) => {
      const { COPY_SRC, COPY_DST, QUERY_RESOLVE, MAP_READ } = GPUBufferUsage;
      const querySet = device.createQuerySet({ type: 'timestamp', count: 2 });
      const resolved = device.createBuffer({ size: 16, usage: QUERY_RESOLVE | COPY_SRC });
      const staging = device.createBuffer({ size: 16, usage: COPY_DST | MAP_READ });
      const encoder = device.createCommandEncoder();
      const timestampWrites = { querySet, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 };
      encoder.beginComputePass({ timestampWrites }).end();
      encoder.resolveQuerySet(querySet, 0, 2, resolved, 0);
      encoder.copyBufferToBuffer(resolved, 0, staging, 0, 16);
      device.queue.submit([encoder.finish()]);
      await staging.mapAsync(GPUMapMode.READ);
      const [start, end] = new BigUint64Array(staging.getMappedRange());
      if (start === 0n || end! < start!) throw new Error(`the clock went from ${start} to ${end}`);
    });
    return true;
  },
};

async function withDevice(
  adapter: GPUAdapter,
  features: DeviceFeatures,
  use: (device: GPUDevice) => Promise<void>,
): Promise<void> {
  const device = await adapter.requestDevice({ requiredFeatures: requiredFeatures(features) });
  try {
    await use(device);
  } finally {
    device.destroy();
  }
}

function requireSame(received: ArrayLike<number>, expected: ArrayLike<number>): void {
  const i = Array.from(expected).findIndex((value, at) => value !== received[at]);
  if (i >= 0) throw new Error(`a kernel that uses it gave ${received[i]} instead of ${expected[i]}`);
}

/** What the adapter says, with the fields of each configuration read by name: they are not enumerable. */
function offeredMatrices(info: GPUAdapterInfo): SubgroupMatrixConfig[] {
  const { subgroupMatrixConfigs = [] } = info as { subgroupMatrixConfigs?: Iterable<SubgroupMatrixConfig> };
  return [...subgroupMatrixConfigs]
    .map(({ componentType, resultComponentType, M, N, K }) => ({
      componentType,
      resultComponentType,
      M,
      N,
      K,
    }))
    .filter(
      ({ componentType, resultComponentType }) => isFloat(componentType) && isFloat(resultComponentType),
    );
}

function isFloat(type: string): boolean {
  return type === 'f16' || type === 'f32';
}

function usesF16({ componentType, resultComponentType }: SubgroupMatrixConfig): boolean {
  return componentType === 'f16' || resultComponentType === 'f16';
}

/** A kernel that computes a·b + a·b, [M, N], of the row-major matrices a [M, K] and b [K, N] in its input. */
function matrixKernel(
  { componentType, resultComponentType, M, N, K }: SubgroupMatrixConfig,
  lanes: number,
): string {
  const left = `subgroup_matrix_left<${componentType}, ${K}, ${M}>`;
  const right = `subgroup_matrix_right<${componentType}, ${N}, ${K}>`;
  return `${componentType === 'f16' || resultComponentType === 'f16' ? 'enable f16;\n' : ''}enable chromium_experimental_subgroup_matrix;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
var<workgroup> factors: array<${componentType}, ${M * K + K * N}>;
var<workgroup> product: array<${resultComponentType}, ${M * N}>;
@compute @workgroup_size(${lanes})
fn main(@builtin(local_invocation_index) lane: u32) {
  for (var i = lane; i < ${M * K + K * N}u; i += ${lanes}u) { factors[i] = ${componentType}(x[i]); }
  workgroupBarrier();
  let a = subgroupMatrixLoad<${left}, row_major>(&factors, 0u, ${K}u);
  let b = subgroupMatrixLoad<${right}, row_major>(&factors, ${M * K}u, ${N}u);
  var c = subgroup_matrix_result<${resultComponentType}, ${N}, ${M}>();
  c = subgroupMatrixMultiplyAccumulate(a, b, c);
  c = subgroupMatrixMultiplyAccumulate(a, b, c);
  subgroupMatrixStore<row_major>(&product, 0u, c, ${N}u);
  workgroupBarrier();
  for (var i = lane; i < ${M * N}u; i += ${lanes}u) { y[i] = f32(product[i]); }
}`;
}

/** Small whole numbers, whose products and sums even f16 holds exactly. */
function matrixProduct({ M, N, K }: SubgroupMatrixConfig): {
  input: Float32Array<ArrayBuffer>;
  expected: Float32Array<ArrayBuffer>;
} {
  const a = (row: number, column: number) => ((row * 3 + column * 5) % 7) - 3;
  const b = (row: number, column: number) => ((row * 2 + column * 3) % 5) - 2;
  const input = new Float32Array(M * K + K * N);
  for (let row = 0; row < M; row++) for (let k = 0; k < K; k++) input[row * K + k] = a(row, k);
  for (let k = 0; k < K; k++)
    for (let column = 0; column < N; column++) input[M * K + k * N + column] = b(k, column);
  const expected = new Float32Array(M * N);
  for (let row = 0; row < M; row++) {
    for (let column = 0; column < N; column++) {
      let sum = 0;
      for (let k = 0; k < K; k++) sum += a(row, k) * b(k, column);
      expected[row * N + column] = 2 * sum;
    }
  }
  return { input, expected };
}

/**
 * Compiles a kernel, runs one workgroup of it and waits for what it wrote.
 * @param code reads binding 0 and writes binding 1
 * @throws Error with the driver's words when it refuses the kernel
 */
async function runKernel(
  device: GPUDevice,
  code: string,
  input: Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>,
  outputBytes: number,
): Promise<ArrayBuffer> {
  const pipeline = await device.createComputePipelineAsync({
    layout: 'auto',
    compute: { module: device.createShaderModule({ code }), entryPoint: 'main' },
  });
  const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
  const source = device.createBuffer({ size: input.byteLength, usage: STORAGE | COPY_DST });
  const result = device.createBuffer({ size: outputBytes, usage: STORAGE | COPY_SRC });
  const staging = device.createBuffer({ size: outputBytes, usage: COPY_DST | MAP_READ });
  device.queue.writeBuffer(source, 0, input);
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  const entries = [source, result].map((buffer, binding) => ({ binding, resource: { buffer } }));
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
  pass.dispatchWorkgroups(1);
  pass.end();
  encoder.copyBufferToBuffer(result, 0, staging, 0, outputBytes);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  return staging.getMappedRange();
}
