import { InternalError } from '@kora-bench/core/errors';
import type { CompositeOp, GraphNode, NodeId, Op, Program } from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';
import type { Bundle, Kernel, KernelPlan } from '../plan/kernel.js';
import { isAttention, isRowOp } from '../plan/op-roles.js';
import type { WrittenKernel } from '../wgsl/kernel-code.js';
import { KernelNames, spread } from '../wgsl/kernel-code.js';
import { preludeFor, storedType } from '../wgsl/numbers.js';
import { attentionKernel } from './attention.js';
import type { KernelBody, KernelContext } from './kernel-context.js';
import { contextOf, KernelOutputs } from './kernel-context.js';
import type { KernelTarget } from './kernel-target.js';
import { matrixTile, productInMatrices } from './product-in-matrices.js';
import { productInSubgroups } from './product-in-subgroups.js';
import { productInTiles } from './product-in-tiles.js';
import type { Product } from './products.js';
import { productOf } from './products.js';
import { reduceBody } from './reductions.js';
import { rowBody } from './rows.js';

/**
 * Writes kernels that run in one dispatch as one module.
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
  const buffers = written.writes.length + written.bound.length;
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
    bodyOf(contextOf({ program, plan, target, names, outputs }, kernel, i === 0 ? '' : `_${i}`), kernel),
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
    bound: names.reads.map(({ id, width }) => `${id} ${width}`),
    alone: bodies.some((each) => each.alone === true),
    workgroupSize,
    workgroups,
  };
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

/** The body of one kernel, by what its first anchor is. */
function bodyOf(context: KernelContext, { anchors, terms, outputs }: Kernel): KernelBody {
  const { nodes } = context.program;
  if (anchors.length === 0) return pointwiseBody(context, nodes[outputs[0]!.root]!);
  const [node, ...others] = anchors.map((id) => nodes[id]!);
  const { op } = node!;
  if (isRowOp(op)) return rowBody(context, node!, others);
  if (isAttention(op)) return attentionKernel(context, node!, op, others[0]?.id);
  switch (op.kind) {
    case 'matmul':
    // The last op of a sum of products.
    case 'binary':
      return productBody(context, node!, terms);
    case 'reduce':
      return reduceBody(context, node!);
    case 'feed':
    case 'frozen':
    case 'state':
    case 'constant':
    case 'unary':
    case 'compare':
    case 'where':
    case 'cast':
    case 'oneHot':
    case 'reshape':
    case 'transpose':
    case 'broadcast':
    case 'slice':
    case 'pad':
    case 'concat':
      return withoutKernel(op);
    // A composite without a kernel is lowered; a primitive must be one of those above.
    default:
      return withoutKernel(op satisfies CompositeOp);
  }
}

function withoutKernel({ kind }: Op): never {
  throw new InternalError(`${kind} has no kernel.`);
}

/** Lanes of a workgroup that only computes elementwise ops. */
const pointwiseLanes = 64;

/** Elementwise ops alone: a lane computes one element, or four, of every output. */
function pointwiseBody({ target, storeFirst }: KernelContext, { shape }: GraphNode): KernelBody {
  const size = sizeOf(shape);
  const width = target.quads && size % 4 === 0 ? 4 : 1;
  const workgroups = spread(Math.ceil(size / width / pointwiseLanes));
  return {
    declarations: '',
    body: `let i = (group.y * ${workgroups[0]}u + group.x) * ${pointwiseLanes}u + lane;
if (i >= ${size / width}u) { return; }
let at = ${width === 1 ? 'i' : 'i * 4u'};
${storeFirst('at', width)}`,
    workgroupSize: pointwiseLanes,
    workgroups,
  };
}

/** A matrix product, or the sum of several (`terms`), whose value is that of `node`. */
function productBody(context: KernelContext, node: GraphNode, terms: readonly NodeId[]): KernelBody {
  const product = productOf(context.program, terms);
  const { sharing, matrixUnits } = context.target;
  if (sharing.kind === 'subgroup') return productInSubgroups(context, node.id, product, sharing.size);
  if (matrixUnits !== undefined && suitsMatrices(context, product, terms))
    return productInMatrices(context, node.id, product, matrixUnits);
  return productInTiles(context, node.id, product);
}

/**
 * Whether matrix units should compute a product: its result fills most of their tiles, and where they take
 * 16-bit numbers, none of its operands is a gradient, which these may not be able to hold.
 */
function suitsMatrices(
  { program, target, backward }: KernelContext,
  { M, N, batch }: Product,
  terms: readonly NodeId[],
): boolean {
  const units = target.matrixUnits!;
  const { rows, columns } = matrixTile(units);
  const tiles = Math.ceil(M / rows) * Math.ceil(N / columns) * batch;
  const filled = (M * N * batch) / (tiles * rows * columns);
  const operands = terms.flatMap((term) => program.nodes[term]!.inputs);
  const exact = units.component === 'f32' || operands.every((id) => !backward.has(id));
  return exact && filled > 0.5;
}
