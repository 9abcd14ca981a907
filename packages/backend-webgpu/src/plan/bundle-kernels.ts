import type { NodeId, Program } from '@kora-bench/core';
import type { KernelCode } from '../wgsl/write-kernel.js';
import type { Kernel } from './kernel.js';
import { narrowSide } from './node-roles.js';

/** Kernels that run in one dispatch; none reads what another of them writes. */
export type Bundle = readonly Kernel[];

/** For how many kernels a product may be put off, which keeps its operands in memory. */
const longestDelay = 16;
/** Workgroups of one dispatch along its only axis. */
const mostWorkgroups = 65_535;

/**
 * Puts kernels together that leave a GPU idle one by one: the small products of adapters, most of which are
 * gradients that nobody reads before the end, and the three adjoints of an attention. Each is put off until
 * there are as many as one dispatch can take, or until somebody reads one.
 * @param codes of the kernels, each alone
 * @param mostBuffers that one dispatch can use
 * @returns all kernels, in an order to run in
 */
export function bundleKernels(
  program: Program,
  kernels: readonly Kernel[],
  codes: readonly KernelCode[],
  mostBuffers: number,
): readonly Bundle[] {
  const bundles: Bundle[] = [];
  const waiting = new Map<Kind, Open>();
  const close = (kind: Kind) => {
    const open = waiting.get(kind);
    if (open !== undefined) bundles.push(open.kernels);
    waiting.delete(kind);
  };
  kernels.forEach((kernel, i) => {
    const code = codes[i]!;
    for (const [kind, { writes, first }] of waiting)
      if (code.reads.some((id) => writes.has(id)) || i - first > longestDelay) close(kind);
    const kind = kindOf(program, kernel);
    if (kind === undefined) {
      bundles.push([kernel]);
      return;
    }
    const before = waiting.get(kind);
    if (before !== undefined && !takes(before, code, mostBuffers)) close(kind);
    const open = waiting.get(kind) ?? opened(i, code);
    waiting.set(kind, open);
    open.kernels.push(kernel);
    open.workgroups += count(code);
    for (const id of code.writes) open.writes.add(id);
    for (const id of code.reads) open.reads.add(id);
  });
  for (const kind of [...waiting.keys()]) close(kind);
  return bundles;
}

/** What kernels of one dispatch have in common. */
type Kind = 'narrow product' | 'adjoint of attention';

interface Open {
  readonly kernels: Kernel[];
  /** The number of its first kernel. */
  readonly first: number;
  readonly writes: Set<NodeId>;
  readonly reads: Set<NodeId>;
  readonly workgroupSize: number;
  workgroups: number;
}

function opened(first: number, { workgroupSize }: KernelCode): Open {
  return { kernels: [], first, writes: new Set(), reads: new Set(), workgroupSize, workgroups: 0 };
}

function takes(open: Open, code: KernelCode, mostBuffers: number): boolean {
  const writes = new Set([...open.writes, ...code.writes]);
  const reads = new Set([...open.reads, ...code.reads]);
  // A buffer that is read one by one and in fours is bound twice.
  const buffers = writes.size + reads.size + open.kernels.length + 1;
  return (
    buffers <= mostBuffers &&
    code.workgroupSize === open.workgroupSize &&
    open.workgroups + count(code) <= mostWorkgroups
  );
}

function kindOf({ nodes }: Program, { anchors, terms, outputs }: Kernel): Kind | undefined {
  if (anchors.length === 1 && nodes[anchors[0]!]!.op.kind === 'attentionGrad') return 'adjoint of attention';
  if (terms.length !== 1 || outputs.length !== 1) return undefined;
  const { shape } = nodes[terms[0]!]!;
  return Math.min(shape.at(-2)!, shape.at(-1)!) <= narrowSide ? 'narrow product' : undefined;
}

function count({ workgroups: [x, y, z] }: KernelCode): number {
  return x * y * z;
}
