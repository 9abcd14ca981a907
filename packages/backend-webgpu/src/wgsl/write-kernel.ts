import type { DType, NodeId, Program } from '@kora-bench/core';
import { InternalError, sizeOf, stridesOf } from '@kora-bench/core';
import type { Destination, Kernel, KernelOutput } from '../plan/kernel.js';
import { KernelNames } from './kernel-names.js';
import type { KernelTarget } from './kernel-target.js';
import { productBody } from './matmul/product-body.js';
import type { Place, Width } from './place.js';
import { flatPlace } from './place.js';
import { preludeFor } from './prelude.js';
import { reduceBody } from './reduce.js';
import { rowBody } from './rows.js';
import { storedType } from './scalar.js';
import { ValueWriter } from './value-writer.js';
import { spread } from './workgroup-grid.js';

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
  /** A writer for one block of the kernel. */
  writer(given?: (id: NodeId, place: Place) => string | undefined): ValueWriter;
  /** Statements that store what becomes of an anchor's value `given` at the elements from `flat` on. */
  store(anchor: NodeId, flat: string, given: string, width: Width): string;
}

/** @param stored the values that have a buffer of their own */
export function writeKernel(
  program: Program,
  stored: ReadonlySet<NodeId>,
  kernel: Kernel,
  target: KernelTarget,
): KernelCode {
  const written = writeWith(program, stored, kernel, target);
  const buffers = written.writes.length + written.bound;
  // A buffer that is read one by one and in fours is bound twice.
  return buffers <= target.mostBuffers || !target.quads
    ? written
    : writeWith(program, stored, kernel, { ...target, quads: false });
}

function writeWith(
  program: Program,
  stored: ReadonlySet<NodeId>,
  kernel: Kernel,
  target: KernelTarget,
): KernelCode & { readonly bound: number } {
  const names = new KernelNames();
  const own = new Set(
    kernel.outputs.flatMap(({ root, destination }) => (destination.buffer === root ? [root] : [])),
  );
  // A kernel computes its own results, which all others read from their buffers.
  const others = new Set([...stored].filter((id) => !own.has(id)));
  const widths = new Map<KernelOutput, Width>();
  const context: KernelContext = {
    program,
    target,
    names,
    writer: (given) =>
      new ValueWriter({ program, stored: others, names, quads: target.quads, ...(given && { given }) }),
    store: (anchor, flat, given, width) =>
      kernel.outputs
        .filter((output) => output.anchor === anchor)
        .map((output) => {
          const writer = context.writer((id) => (id === anchor ? given : undefined));
          return storeStatements(
            program,
            names,
            writer,
            output,
            kernel.outputs.indexOf(output),
            widths,
            flat,
            width,
          );
        })
        .join('\n'),
  };
  const { declarations, body, workgroupSize, workgroups } = bodyOf(context, kernel, widths);
  const outputs = kernel.outputs.map((output, i) => {
    const type = storedType(program.nodes[output.root]!.dtype, widths.get(output) ?? 1);
    return `@group(0) @binding(${i}) var<storage, read_write> out${i}: array<${type}>;`;
  });
  const inputs = names.reads.map(({ id, width, name }, i) => {
    const type = storedType(program.nodes[id]!.dtype, width);
    return `@group(0) @binding(${outputs.length + i}) var<storage, read> ${name}: array<${type}>;`;
  });
  const code = `${declarations}
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
${body}
}`;
  const offsets =
    names.offsets.length === 0
      ? []
      : [
          `@group(0) @binding(${outputs.length + inputs.length}) var<uniform> offsets: array<vec4u, ${Math.ceil(names.offsets.length / 4)}>;`,
        ];
  const extensions = /\bsubgroup[A-Z]/.test(code) ? 'enable subgroups;\n' : '';
  return {
    code: `${extensions}${[...outputs, ...inputs, ...offsets].join('\n')}\n${preludeFor(code)}\n${code}`,
    writes: kernel.outputs.map(({ destination }) => destination.buffer),
    reads: names.reads.map(({ id }) => id),
    offsets: names.offsets,
    bound: names.reads.length,
    workgroups,
  };
}

function bodyOf(context: KernelContext, kernel: Kernel, widths: Map<KernelOutput, Width>): KernelBody {
  if (kernel.anchors.length === 0) return pointwiseBody(context, kernel, widths);
  const node = context.program.nodes[kernel.anchors[0]!]!;
  switch (node.op.kind) {
    case 'matmul':
    case 'binary':
      return productBody(context, node, kernel.terms);
    case 'reduce':
      return reduceBody(context, node);
    case 'layerNorm':
    case 'layerNormGrad':
    case 'softmax':
    case 'softmaxGrad':
    case 'crossEntropy':
    case 'crossEntropyGrad':
      return rowBody(context, node);
    default:
      throw new InternalError(`${node.op.kind} has no kernel.`);
  }
}

function pointwiseBody(
  { program, target, names, writer }: KernelContext,
  { outputs }: Kernel,
  widths: Map<KernelOutput, Width>,
): KernelBody {
  const workgroupSize = 64;
  const size = sizeOf(program.nodes[outputs[0]!.root]!.shape);
  const width = target.quads && size % 4 === 0 ? 4 : 1;
  const workgroups = spread(Math.ceil(size / width / workgroupSize));
  const block = writer();
  const stores = outputs.map((output, i) =>
    storeStatements(program, names, block, output, i, widths, 'at', width),
  );
  return {
    declarations: '',
    body: `let i = (group.y * ${workgroups[0]}u + group.x) * ${workgroupSize}u + lane;
if (i >= ${size / width}u) { return; }
let at = ${width === 1 ? 'i' : 'i * 4u'};
${stores.join('\n')}`,
    workgroupSize,
    workgroups,
  };
}

/** Takes the statements that `writer` collects along. */
function storeStatements(
  program: Program,
  names: KernelNames,
  writer: ValueWriter,
  output: KernelOutput,
  index: number,
  widths: Map<KernelOutput, Width>,
  flat: string,
  width: Width,
): string {
  const { root, destination } = output;
  const node = program.nodes[root]!;
  const value = asStored(node.dtype, writer.value(root, flatPlace(flat, width)), width);
  const lines = writer.lines.splice(0);
  const { strides, offset, shape } = destination;
  const steps = [offset, ...strides.slice(0, -1), shape.at(-1)!];
  const stored = width === 4 && strides.at(-1) === 1 && steps.every((n) => n % 4 === 0) ? 4 : 1;
  if ((widths.get(output) ?? stored) !== stored) throw new InternalError('A kernel stores in two widths.');
  widths.set(output, stored);
  const start = strides.length === 1 && offset === 0 ? undefined : names.offset(offset);
  const target = (at: string) => elementAt(destination, at, start);
  if (width === 1) return [...lines, `out${index}[${target(flat)}] = ${value};`].join('\n');
  if (stored === 4) return [...lines, `out${index}[(${target(flat)}) / 4u] = ${value};`].join('\n');
  const each = [0, 1, 2, 3].map((i) => `out${index}[${target(`(${flat} + ${i}u)`)}] = ${value}[${i}];`);
  return [...lines, ...each].join('\n');
}

function asStored(dtype: DType, value: string, width: Width): string {
  if (dtype !== 'bool') return value;
  const type = storedType('bool', width);
  return `select(${type}(0u), ${type}(1u), ${value})`;
}

/** The place in the buffer of element number `flat`; `start` names its offset where it has one. */
function elementAt({ shape, strides }: Destination, flat: string, start: string | undefined): string {
  const extents = stridesOf(shape);
  const terms = shape.flatMap((extent, axis) => {
    if (extent === 1) return [];
    const steps = extents[axis] === 1 ? flat : `${flat} / ${extents[axis]}u`;
    const outermost = extents[axis]! * extent === sizeOf(shape);
    const coordinate = outermost ? steps : `${steps} % ${extent}u`;
    return [strides[axis] === 1 ? coordinate : `(${coordinate}) * ${strides[axis]}u`];
  });
  return [...terms, ...(start === undefined ? [] : [start])].join(' + ') || '0u';
}
