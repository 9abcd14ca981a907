import type { GraphNode, NodeId, Program } from '@kora-bench/core';
import { InternalError, sizeOf } from '@kora-bench/core';
import type { Destination, Kernel } from '../plan/plan-kernels.js';
import { matmulBody } from './matmul.js';
import { flatPlace } from './place.js';
import { prelude } from './prelude.js';
import { reduceBody } from './reduce.js';
import { storageType } from './scalar.js';
import { KernelNames, ValueWriter } from './value-writer.js';
import { spread } from './workgroup-grid.js';

/** A kernel as WGSL. Binding 0 is the buffer written to, the others follow in the order of `reads`. */
export interface KernelCode {
  readonly code: string;
  readonly reads: readonly NodeId[];
  readonly workgroups: readonly [number, number, number];
}

/** The body of `main` and what it needs around it. */
export interface KernelBody {
  readonly declarations: string;
  readonly body: string;
  readonly workgroupSize: number;
  readonly workgroups: readonly [number, number, number];
}

export interface KernelContext {
  readonly program: Program;
  /** Whether products go through the shared memory of workgroups. */
  readonly staging: boolean;
  readonly stored: ReadonlySet<NodeId>;
  readonly names: KernelNames;
  /** Statements that store the kernel's result; `given` is the anchor's value at the element `flat`. */
  store(flat: string, given?: string): string;
}

/** @param staging whether products go through the shared memory of workgroups */
export function writeKernel(
  program: Program,
  stored: ReadonlySet<NodeId>,
  kernel: Kernel,
  staging: boolean,
): KernelCode {
  const names = new KernelNames();
  const root = program.nodes[kernel.root]!;
  const context: KernelContext = {
    program,
    staging,
    stored: kernel.destination.buffer === kernel.root ? without(stored, kernel.root) : stored,
    names,
    store: (flat, given) => storeStatements(context, kernel, root, flat, given),
  };
  const { declarations, body, workgroupSize, workgroups } = bodyOf(context, kernel, root);
  const bindings = names.buffers.map((id, i) => {
    const type = storageType[program.nodes[id]!.dtype];
    return `@group(0) @binding(${i + 1}) var<storage, read> ${names.bufferOf(id)}: array<${type}>;`;
  });
  return {
    code: [
      `@group(0) @binding(0) var<storage, read_write> out: array<${storageType[root.dtype]}>;`,
      ...bindings,
      prelude,
      declarations,
      `@compute @workgroup_size(${workgroupSize})`,
      'fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {',
      body,
      '}',
    ].join('\n'),
    reads: names.buffers,
    workgroups,
  };
}

function bodyOf(context: KernelContext, { anchor }: Kernel, root: GraphNode): KernelBody {
  if (anchor === undefined) return pointwiseBody(context, root);
  const node = context.program.nodes[anchor]!;
  switch (node.op.kind) {
    case 'matmul':
      return matmulBody(context, node);
    case 'reduce':
      return reduceBody(context, node);
    default:
      throw new InternalError(`${node.op.kind} has no kernel.`);
  }
}

function pointwiseBody({ store }: KernelContext, { shape }: GraphNode): KernelBody {
  const workgroupSize = 64;
  const size = sizeOf(shape);
  const workgroups = spread(Math.ceil(size / workgroupSize));
  return {
    declarations: '',
    body: `let i = (group.y * ${workgroups[0]}u + group.x) * ${workgroupSize}u + lane;
if (i >= ${size}u) { return; }
${store('i')}`,
    workgroupSize,
    workgroups,
  };
}

function storeStatements(
  { program, stored, names }: KernelContext,
  { root: id, anchor, destination }: Kernel,
  root: GraphNode,
  flat: string,
  given: string | undefined,
): string {
  const own = new Map(anchor !== undefined && given !== undefined ? [[anchor, given]] : []);
  const writer = new ValueWriter({ program, stored, names, given: own });
  const value = writer.value(id, flatPlace(flat));
  const target = elementOf(destination, flat, sizeOf(root.shape));
  const written = root.dtype === 'bool' ? `select(0u, 1u, ${value})` : value;
  return [...writer.lines, `out[${target}] = ${written};`].join('\n');
}

function elementOf({ inner, stride, offset }: Destination, flat: string, size: number): string {
  if (inner === size) return offset === 0 ? flat : `${flat} + ${offset}u`;
  return `(${flat} / ${inner}u) * ${stride}u + ${offset}u + ${flat} % ${inner}u`;
}

/** A kernel computes its own root, which all others read from its buffer. */
function without(stored: ReadonlySet<NodeId>, id: NodeId): ReadonlySet<NodeId> {
  if (!stored.has(id)) return stored;
  const others = new Set(stored);
  others.delete(id);
  return others;
}
