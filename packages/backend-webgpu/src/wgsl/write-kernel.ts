import type { NodeId, Program } from '@kora-bench/core';
import { InternalError } from '@kora-bench/core';
import type { Bundle } from '../plan/bundle-kernels.js';
import type { Kernel } from '../plan/kernel.js';
import { attentionComposites, rowComposites } from '../plan/node-roles.js';
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
  readonly workgroupSize: number;
  readonly workgroups: readonly [number, number, number];
}

/** A kernel, and what is asked before others join it. */
export interface WrittenKernel extends KernelCode {
  /** What is bound for reading, by names that other kernels have for the same: a buffer as numbers or as fours. */
  readonly readings: readonly string[];
  /** Whether it cannot run in one dispatch with others. */
  readonly alone: boolean;
}

/** The body of `main` and what it needs around it. */
export interface KernelBody {
  /** Variables and functions of the module. */
  readonly declarations: string;
  /**
   * Groups of four numbers that it needs in the memory of a workgroup, as `staged: array<vec4f>`. Kernels of
   * one dispatch have them in the same place, for a workgroup belongs to one of them.
   */
  readonly staged?: number;
  /** See `WrittenKernel`: it has names or memory of a workgroup that are not shared. */
  readonly alone?: boolean;
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
  /** A name at module level that other kernels of the same dispatch do not use. */
  scoped(name: string): string;
  /** A writer for one block of the kernel. */
  writer(given?: (id: NodeId, place: Place) => string | undefined): ValueWriter;
  /** Statements that store what becomes of an anchor's value `given` at the elements from `flat` on. */
  store(anchor: NodeId, flat: string, given: string, width: Width): string;
  /**
   * Statements that compute and store, at the elements from `flat` on, what depends on no anchor: all of a kernel
   * without any. What is written from then on may read these elements, always as many at once.
   */
  storeFirst(flat: string, width: Width): string;
}

/**
 * @param plan that the kernels are of
 * @param bundle kernels to run in one dispatch
 */
export function writeKernel(
  program: Program,
  plan: KernelPlan,
  bundle: Bundle,
  target: KernelTarget,
): WrittenKernel {
  const written = writeWith(program, plan, bundle, target);
  const buffers = written.writes.length + written.readings.length;
  // A buffer that is read one by one and in fours is bound twice.
  return buffers <= target.mostBuffers || !target.quads
    ? written
    : writeWith(program, plan, bundle, { ...target, quads: false });
}

function writeWith(program: Program, plan: KernelPlan, bundle: Bundle, target: KernelTarget): WrittenKernel {
  const { storageOf } = plan;
  const names = new KernelNames();
  const outputs = new KernelOutputs(
    program,
    bundle.flatMap((kernel) => kernel.outputs),
    names,
    storageOf,
  );
  const bodies = bundle.map((kernel, i) =>
    bodyOf(contextOf(program, plan, kernel, target, names, outputs, i === 0 ? '' : `_${i}`), kernel),
  );
  const staged = Math.max(...bodies.map((each) => each.staged ?? 0));
  const { declarations, body, workgroupSize, workgroups } =
    bodies.length === 1 ? bodies[0]! : together(bodies);
  const inputs = names.reads.map(({ id, width, name }, i) => {
    const type = storedType(storageOf(id), width);
    return `@group(0) @binding(${outputs.buffers.length + i}) var<storage, read> ${name}: array<${type}>;`;
  });
  const bindings = [...outputs.declarations, ...inputs];
  const code = `${[...bindings, ...offsetsDeclaration(names, bindings.length)].join('\n')}
${staged > 0 ? `var<workgroup> staged: array<vec4f, ${staged}>;` : ''}
${declarations}
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
${body}
}`;
  return {
    code: [...extensionsOf(code), preludeFor(code), code].join('\n'),
    writes: outputs.buffers,
    reads: names.reads.map(({ id }) => id),
    offsets: names.offsets,
    readings: names.reads.map(({ id, width }) => `${id} ${width}`),
    alone: bodies.some((each) => each.alone === true),
    workgroupSize,
    workgroups,
  };
}

function contextOf(
  program: Program,
  { stored, backward, storageOf }: KernelPlan,
  kernel: Kernel,
  target: KernelTarget,
  names: KernelNames,
  outputs: KernelOutputs,
  suffix: string,
): KernelContext {
  const own = new Set(
    kernel.outputs.flatMap(({ root, destination }) => (destination.buffer === root ? [root] : [])),
  );
  // A kernel computes its own results, which all others read from their buffers.
  const others = new Set([...stored].filter((id) => !own.has(id)));
  const context: KernelContext = {
    program,
    target,
    names,
    backward,
    scoped: (name) => `${name}${suffix}`,
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
    storeFirst(flat, width) {
      const first = kernel.outputs.filter(({ anchor }) => anchor === undefined);
      const writer = context.writer();
      const lines = first.map((output) => outputs.store(output, writer, flat, width));
      for (const { root } of first) {
        others.add(root);
        names.readBack(root, outputs.nameOf(root));
      }
      return lines.join('\n');
    },
  };
  return context;
}

/** Kernels with workgroups of one size as one: its workgroups are shared out among them. */
function together(bodies: readonly KernelBody[]): KernelBody {
  let first = 0;
  const calls = bodies.map(({ workgroups: [x, y, z] }, i) => {
    const index = first === 0 ? 'group.x' : `(group.x - ${first}u)`;
    first += x * y * z;
    const own = `vec3u(${index} % ${x}u, ${index} / ${x}u % ${y}u, ${index} / ${x * y}u)`;
    return `if (group.x < ${first}u) {\nkernel${i}(${own}, lane);\nreturn;\n}`;
  });
  const functions = bodies.map(({ body }, i) => `fn kernel${i}(group: vec3u, lane: u32) {\n${body}\n}`);
  return {
    declarations: [...bodies.map(({ declarations }) => declarations), ...functions].join('\n'),
    body: calls.join('\n'),
    workgroupSize: bodies[0]!.workgroupSize,
    workgroups: [first, 1, 1],
  };
}

function offsetsDeclaration({ offsets }: KernelNames, binding: number): string[] {
  if (offsets.length === 0) return [];
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
  if (rowComposites.has(node.op.kind)) {
    const products = anchors.slice(1).map((id) => nodes[id]!);
    return rowBody(context, node, products);
  }
  if (attentionComposites.has(node.op.kind)) return attentionKernel(context, anchors);
  switch (node.op.kind) {
    case 'matmul':
    case 'binary':
      return productBody(context, node, terms);
    case 'reduce':
      return reduceBody(context, node);
    default:
      throw new InternalError(`${node.op.kind} has no kernel.`);
  }
}
