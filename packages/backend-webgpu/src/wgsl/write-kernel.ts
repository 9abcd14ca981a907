import type { NodeId, Program } from '@kora-bench/core';
import { InternalError } from '@kora-bench/core';
import type { Kernel } from '../plan/kernel.js';
import type { KernelPlan } from '../plan/plan-kernels.js';
import { attentionKernel } from './attention/attention-body.js';
import { KernelNames } from './kernel-names.js';
import { KernelOutputs } from './kernel-outputs.js';
import type { KernelTarget } from './kernel-target.js';
import { productBody } from './matmul/product-body.js';
import type { Place, Width } from './place.js';
import { pointwiseBody } from './pointwise.js';
import { preludeFor } from './prelude.js';
import { reduceBody } from './reduce.js';
import { rowBody } from './rows.js';
import { storedType } from './scalar.js';
import { ValueWriter } from './value-writer.js';

/** A kernel as WGSL. The buffers that it writes come first among its bindings, then those that it reads. */
export interface KernelCode {
  readonly code: string;
  readonly writes: readonly NodeId[];
  readonly reads: readonly NodeId[];
  /** Numbers for its last binding, a uniform buffer of `vec4u`; there is none where this is empty. */
  readonly offsets: readonly number[];
  readonly workgroups: readonly [number, number, number];
}

/** The body of `main` and what it needs around it. */
export interface KernelBody {
  /** Variables and functions of the module. */
  readonly declarations: string;
  readonly body: string;
  readonly workgroupSize: number;
  readonly workgroups: readonly [number, number, number];
}

export interface KernelContext {
  readonly program: Program;
  readonly target: KernelTarget;
  readonly names: KernelNames;
  /** See `KernelPlan`. */
  readonly backward: ReadonlySet<NodeId>;
  /** A writer for one block of the kernel. */
  writer(given?: (id: NodeId, place: Place) => string | undefined): ValueWriter;
  /** Statements that store what becomes of an anchor's value `given` at the elements from `flat` on. */
  store(anchor: NodeId, flat: string, given: string, width: Width): string;
  /** Statements that store the elements from `flat` on of a kernel without anchors. */
  storeAll(flat: string, width: Width): string;
}

/** @param plan that `kernel` is of */
export function writeKernel(
  program: Program,
  plan: KernelPlan,
  kernel: Kernel,
  target: KernelTarget,
): KernelCode {
  const written = writeWith(program, plan, kernel, target);
  const buffers = written.writes.length + written.bound;
  // A buffer that is read one by one and in fours is bound twice.
  return buffers <= target.mostBuffers || !target.quads
    ? written
    : writeWith(program, plan, kernel, { ...target, quads: false });
}

function writeWith(
  program: Program,
  { stored, backward, storageOf }: KernelPlan,
  kernel: Kernel,
  target: KernelTarget,
): KernelCode & { readonly bound: number } {
  const names = new KernelNames();
  const own = new Set(
    kernel.outputs.flatMap(({ root, destination }) => (destination.buffer === root ? [root] : [])),
  );
  // A kernel computes its own results, which all others read from their buffers.
  const others = new Set([...stored].filter((id) => !own.has(id)));
  const outputs = new KernelOutputs(program, kernel.outputs, names, storageOf);
  const context: KernelContext = {
    program,
    target,
    names,
    backward,
    writer: (given) =>
      new ValueWriter({
        program,
        stored: others,
        names,
        storageOf,
        quads: target.quads,
        ...(given && { given }),
      }),
    store: (anchor, flat, given, width) =>
      kernel.outputs
        .filter((output) => output.anchor === anchor)
        .map((output) => {
          const writer = context.writer((id) => (id === anchor ? given : undefined));
          return outputs.store(output, writer, flat, width);
        })
        .join('\n'),
    storeAll(flat, width) {
      const writer = context.writer();
      return kernel.outputs.map((output) => outputs.store(output, writer, flat, width)).join('\n');
    },
  };
  const { declarations, body, workgroupSize, workgroups } = bodyOf(context, kernel);
  const inputs = names.reads.map(({ id, width, name }, i) => {
    const type = storedType(storageOf(id), width);
    return `@group(0) @binding(${kernel.outputs.length + i}) var<storage, read> ${name}: array<${type}>;`;
  });
  const code = `${[...outputs.declarations, ...inputs, ...offsetsDeclaration(names, kernel)].join('\n')}
${declarations}
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
${body}
}`;
  return {
    code: [...extensionsOf(code), preludeFor(code), code].join('\n'),
    writes: kernel.outputs.map(({ destination }) => destination.buffer),
    reads: names.reads.map(({ id }) => id),
    offsets: names.offsets,
    bound: names.reads.length,
    workgroups,
  };
}

function offsetsDeclaration({ offsets, reads }: KernelNames, { outputs }: Kernel): string[] {
  if (offsets.length === 0) return [];
  const binding = outputs.length + reads.length;
  const length = Math.ceil(offsets.length / 4);
  return [`@group(0) @binding(${binding}) var<uniform> offsets: array<vec4u, ${length}>;`];
}

/** What a module must ask for before its first declaration. */
function extensionsOf(code: string): string[] {
  return [
    ...(/\bf16\b/.test(code) ? ['enable f16;'] : []),
    ...(/\bsubgroup(?!Matrix)[A-Z]\w*\(/.test(code) ? ['enable subgroups;'] : []),
    // Which subgroup a lane belongs to is the same for all its lanes, which the compiler cannot see.
    ...(/\bsubgroupMatrix/.test(code)
      ? [
          'enable chromium_experimental_subgroup_matrix;',
          'diagnostic(off, chromium.subgroup_matrix_uniformity);',
        ]
      : []),
  ];
}

function bodyOf(context: KernelContext, { anchors, terms, outputs }: Kernel): KernelBody {
  const { nodes } = context.program;
  if (anchors.length === 0) return pointwiseBody(context, nodes[outputs[0]!.root]!);
  const node = nodes[anchors[0]!]!;
  switch (node.op.kind) {
    case 'matmul':
    case 'binary':
      return productBody(context, node, terms);
    case 'reduce':
      return reduceBody(context, node);
    case 'layerNorm':
    case 'layerNormGrad':
    case 'softmax':
    case 'softmaxGrad':
    case 'crossEntropy':
    case 'crossEntropyGrad':
      return rowBody(context, node);
    case 'attention':
    case 'attentionStatistics':
    case 'attentionGrad':
      return attentionKernel(context, anchors);
    default:
      throw new InternalError(`${node.op.kind} has no kernel.`);
  }
}
