import type { NodeId, Program } from '@kora-bench/core';
import type { KernelCode } from '../wgsl/write-kernel.js';
import type { Kernel } from './kernel.js';

/** Kernels that run in one dispatch; none reads what another of them writes. */
export type Bundle = readonly Kernel[];

/** Products with a side of at most this many elements are those of adapters. */
const narrowSide = 16;
/** For how many kernels a product may be put off, which keeps its operands in memory. */
const longestDelay = 16;
/** Workgroups of one dispatch along its only axis. */
const mostWorkgroups = 65_535;

/**
 * Puts the small products of adapters together, most of which are gradients that nobody reads before the
 * end: each is put off until there are as many as one dispatch can take, or until somebody reads one.
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
  let open: Open | undefined;
  const close = () => {
    if (open !== undefined) bundles.push(open.kernels);
    open = undefined;
  };
  kernels.forEach((kernel, i) => {
    const code = codes[i]!;
    if (open !== undefined) {
      const reads = code.reads.some((id) => open!.writes.has(id));
      if (reads || i - open.first > longestDelay) close();
    }
    if (!isNarrow(program, kernel)) {
      bundles.push([kernel]);
      return;
    }
    if (open !== undefined && !takes(open, code, mostBuffers)) close();
    open ??= {
      kernels: [],
      first: i,
      writes: new Set(),
      reads: new Set(),
      workgroupSize: code.workgroupSize,
      workgroups: 0,
    };
    open.kernels.push(kernel);
    open.workgroups += count(code);
    for (const id of code.writes) open.writes.add(id);
    for (const id of code.reads) open.reads.add(id);
  });
  close();
  return bundles;
}

interface Open {
  readonly kernels: Kernel[];
  /** The number of its first kernel. */
  readonly first: number;
  readonly writes: Set<NodeId>;
  readonly reads: Set<NodeId>;
  readonly workgroupSize: number;
  workgroups: number;
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

function isNarrow({ nodes }: Program, { terms, outputs }: Kernel): boolean {
  if (terms.length !== 1 || outputs.length !== 1) return false;
  const { shape } = nodes[terms[0]!]!;
  return Math.min(shape.at(-2)!, shape.at(-1)!) <= narrowSide;
}

function count({ workgroups: [x, y, z] }: KernelCode): number {
  return x * y * z;
}
