import type { HostTensor } from '@kora-bench/core';
import { definitionOf, hostTensor, sizeOf } from '@kora-bench/core';
import { openGpu } from '../src/device/gpu.js';
import { createBuffer, readBuffer, writeTensor } from '../src/device/transfer.js';
import { attentionGradBody } from '../src/wgsl/attention/adjoint.js';
import type { AttentionGradProblem, AttentionOperand } from '../src/wgsl/attention/attention-problem.js';
import { attentionBody } from '../src/wgsl/attention/forward.js';
import type { AttentionBody, RowSource } from '../src/wgsl/attention/row-source.js';
import { prelude } from '../src/wgsl/prelude.js';
import { KernelNames } from '../src/wgsl/value-writer.js';
import type { KernelContext } from '../src/wgsl/write-kernel.js';

/** Operands of one attention: q `[heads, N, d]`, k `[heads, M, d]`, v `[heads, M, e]`, dy `[heads, N, e]`. */
export interface Operands {
  readonly scale: number;
  readonly q: HostTensor;
  readonly k: HostTensor;
  readonly v: HostTensor;
  readonly dy: HostTensor;
}

export interface AttentionResults {
  readonly result: HostTensor;
  readonly statistics: HostTensor;
  readonly dq: HostTensor;
  readonly dk: HostTensor;
  readonly dv: HostTensor;
}

type Name = Exclude<keyof Operands, 'scale'>;
const names: readonly Name[] = ['q', 'k', 'v', 'dy'];

/** What the definitions of the ops give in float64. */
export function expectedAttention({ scale, q, k, v, dy }: Operands): AttentionResults {
  const adjoint = (wrt: 'q' | 'k' | 'v', { shape }: HostTensor) => {
    const op = { kind: 'attentionGrad', scale, wrt } as const;
    return definitionOf(op).evaluate(op, [q, k, v, dy], { shape, dtype: 'f32' });
  };
  const op = { kind: 'attention', scale } as const;
  return {
    result: definitionOf(op).evaluate(op, [q, k, v], { shape: dy.shape, dtype: 'f32' }),
    statistics: logarithms(scale, q, k),
    dq: adjoint('q', q),
    dk: adjoint('k', k),
    dv: adjoint('v', v),
  };
}

/** The logarithm of each query's sum of exponentials of its scores. */
function logarithms(scale: number, q: HostTensor, k: HostTensor): HostTensor {
  const [heads, N, d] = q.shape as [number, number, number];
  const M = k.shape[1]!;
  const data = Float64Array.from({ length: heads * N }, (_, row) => {
    const head = Math.floor(row / N);
    const scores = Array.from({ length: M }, (_, j) => {
      let dot = 0;
      for (let c = 0; c < d; c++) dot += q.data[row * d + c]! * k.data[(head * M + j) * d + c]!;
      return scale * dot;
    });
    const largest = Math.max(...scores);
    return largest + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - largest), 0));
  });
  return hostTensor([heads, N], data);
}

/** Runs the kernels of attention alone, on the default adapter. */
export class AttentionRunner {
  readonly #device: GPUDevice;
  /** Lanes of a subgroup, where there are subgroups and all have the same size. */
  readonly subgroupSize: number | undefined;
  readonly #errors: string[] = [];

  constructor(device: GPUDevice, subgroupSize: number | undefined) {
    this.#device = device;
    this.subgroupSize = subgroupSize;
    device.addEventListener('uncapturederror', ({ error }) => this.#errors.push(error.message));
  }

  /** The runner, or why there is none. */
  static async open(): Promise<AttentionRunner | string> {
    try {
      const { gpu } = await openGpu();
      const adapter = await gpu.requestAdapter();
      if (adapter === null) return 'no adapter was found';
      const { subgroupMinSize, subgroupMaxSize } = adapter.info;
      const has = adapter.features.has('subgroups');
      const device = await adapter.requestDevice({ requiredFeatures: has ? ['subgroups'] : [] });
      return new AttentionRunner(
        device,
        has && subgroupMinSize === subgroupMaxSize ? subgroupMinSize : undefined,
      );
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  close(): void {
    this.#device.destroy();
  }

  /**
   * The forward pass and all adjoints. `delta` comes from the expected result, the statistics from the
   * forward kernel.
   * @param asQuads whether the kernels may read four columns at once
   */
  async run(operands: Operands, source: RowSource, asQuads = false): Promise<AttentionResults> {
    const { q, k, v, dy } = operands;
    const [heads, N, d] = q.shape as [number, number, number];
    const [M, e] = v.shape.slice(1) as [number, number];
    const operand = (name: Name): AttentionOperand => operandOf(name, operands[name], asQuads);
    const problem: AttentionGradProblem = {
      ...{ heads, N, M, d, e, scale: operands.scale },
      ...{ q: operand('q'), k: operand('k'), v: operand('v'), dy: operand('dy') },
    };
    const buffers = new Map<string, GPUBuffer>();
    const upload = (name: string, tensor: HostTensor) => {
      const buffer = createBuffer(this.#device, 4 * tensor.data.length, name);
      writeTensor(this.#device, buffer, { ...tensor, data: Float32Array.from(tensor.data) });
      buffers.set(name, buffer);
    };
    for (const name of names) upload(name, operands[name]);
    upload('statistics', hostTensor([heads, N], new Float32Array(heads * N)));
    upload('delta', deltaOf(operands));
    const type = asQuads ? 'vec4f' : 'f32';
    const run = (body: AttentionBody, reads: readonly string[], shape: readonly number[]) =>
      this.#run(body, reads, shape, buffers, type);
    const given = { withStatistics: true };
    const result = await run(attentionBody(context(), problem, source, given), ['q', 'k', 'v'], dy.shape);
    const statistics = await readBuffer(this.#device, buffers.get('statistics')!, 'f32', [heads, N]);
    const adjoint = (wrt: 'q' | 'k' | 'v') => attentionGradBody(context(), problem, wrt, source);
    const all = [...names, 'delta'];
    const results = {
      result,
      statistics,
      dq: await run(adjoint('q'), all, q.shape),
      dk: await run(adjoint('k'), all, k.shape),
      dv: await run(adjoint('v'), ['q', 'k', 'dy'], v.shape),
    };
    for (const buffer of buffers.values()) buffer.destroy();
    return results;
  }

  async #run(
    { requires, declarations, body, workgroupSize, workgroups }: AttentionBody,
    reads: readonly string[],
    shape: readonly number[],
    buffers: ReadonlyMap<string, GPUBuffer>,
    type: string,
  ): Promise<HostTensor> {
    const bindings = ['out', 'statistics', ...reads];
    const declared = bindings.map((name, binding) => {
      const access = binding < 2 ? 'read_write' : 'read';
      const element = names.some((operand) => operand === name) ? type : 'f32';
      return `@group(0) @binding(${binding}) var<storage, ${access}> ${name}: array<${element}>;`;
    });
    const code = `${requires.map((feature) => `enable ${feature};`).join('\n')}
${declared.join('\n')}
${prelude}
${declarations}
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
${body}
}`;
    const device = this.#device;
    const out = createBuffer(device, 4 * sizeOf(shape), 'out');
    const pipeline = await device.createComputePipelineAsync({
      layout: 'auto',
      compute: { module: device.createShaderModule({ code }), entryPoint: 'main' },
    });
    const entries = bindings.map((name, binding) => {
      return { binding, resource: { buffer: name === 'out' ? out : buffers.get(name)! } };
    });
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
    pass.dispatchWorkgroups(...workgroups);
    pass.end();
    device.queue.submit([encoder.finish()]);
    const result = await readBuffer(device, out, 'f32', shape);
    out.destroy();
    if (this.#errors.length > 0) throw new Error(this.#errors.join('\n'));
    return result;
  }
}

function context(): KernelContext {
  return {
    program: { nodes: [], outputs: new Map(), updates: new Map() },
    staging: false,
    stored: new Set(),
    names: new KernelNames(),
    store: (flat, given) => `out[${flat}] = ${given};`,
  };
}

function operandOf(name: Name, { shape }: HostTensor, asQuads: boolean): AttentionOperand {
  const [, rows, columns] = shape;
  const flat = (head: string, row: string, column: string) =>
    `(${head} * ${rows}u + ${row}) * ${columns}u + ${column}`;
  if (!asQuads)
    return {
      element: ({ define }, head, row, column) => define(`${name}[${flat(head, row, column)}]`),
    };
  return {
    element: () => {
      throw new Error('This operand is read four columns at a time.');
    },
    quad: ({ define }, head, row, column) => define(`${name}[(${flat(head, row, column)}) / 4u]`),
  };
}

function deltaOf(operands: Operands): HostTensor {
  const { result } = expectedAttention(operands);
  const { dy } = operands;
  const [heads, N, e] = dy.shape as [number, number, number];
  const data = Float32Array.from({ length: heads * N }, (_, row) => {
    let sum = 0;
    for (let c = 0; c < e; c++) sum += dy.data[row * e + c]! * result.data[row * e + c]!;
    return sum;
  });
  return hostTensor([heads, N], data);
}
