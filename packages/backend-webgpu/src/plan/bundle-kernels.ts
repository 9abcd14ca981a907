import type { NodeId, Program } from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';
import type { WrittenKernel } from '../wgsl/kernel-code.js';
import type { Bundle, Kernel } from './kernel.js';
import { narrowSide } from './op-roles.js';

/** A bundle, and how many lanes the workgroups of all its kernels have. */
export interface SizedBundle {
  readonly kernels: Bundle;
  readonly lanes: number;
}

/** Writes a kernel alone, with workgroups of so many lanes if it can be. */
export type WriteAlone = (kernel: Kernel, lanes?: number) => WrittenKernel;

/** For how many kernels one may be put off, which keeps its operands in memory. */
const longestDelay = 16;
/** The same for small reductions, whose operands take little. */
const longestDelayOfReductions = 64;
/** Workgroups of one dispatch along its only axis. */
const mostWorkgroups = 65_535;
/** Elements of a reduction that may be put off: parts of gradients, that is, which take little memory. */
const fewElements = 32_768;

/**
 * Puts kernels together that leave a GPU idle one by one: the small products of adapters, most of which are
 * gradients that nobody reads before the end, the sums of their parts, and the three adjoints of an attention.
 * Each is put off until somebody reads what it writes. A large product is not put off, but takes along those
 * that wait.
 * @param mostBuffers that one dispatch can use
 * @returns all kernels, in an order to run in
 */
export function bundleKernels(
  program: Program,
  kernels: readonly Kernel[],
  write: WriteAlone,
  mostBuffers: number,
): readonly SizedBundle[] {
  const bundles: SizedBundle[] = [];
  /** Each reads only what those before it write. */
  let waiting: OpenBundle[] = [];
  const close = (isDue: (open: OpenBundle) => boolean) => {
    const closed = new Set<OpenBundle>();
    for (const open of waiting.toReversed())
      if (isDue(open) || [...closed].some((later) => later.readsOf(open))) closed.add(open);
    bundles.push(...waiting.filter((open) => closed.has(open)));
    waiting = waiting.filter((open) => !closed.has(open));
  };
  kernels.forEach((kernel, i) => {
    const code = write(kernel);
    const kind = kindOf(program, kernel);
    const needs = (open: OpenBundle) => code.reads.some((id) => open.writes.has(id));
    close((open) => i - open.first > open.longestDelay || (kind !== 'small product' && open.isDue));
    if (kind === undefined || code.alone) {
      close(needs);
      bundles.push({ kernels: [kernel], lanes: code.workgroupSize });
      return;
    }
    const member: Member = { kernel, kind, code };
    const behind = waiting.findLastIndex(needs) + 1;
    for (const [at, open] of waiting.entries()) {
      // One that comes before what the kernel needs can move to the end, unless another one needs it.
      if (needs(open) || (at < behind && waiting.some((other) => other.readsOf(open)))) continue;
      const members = open.with(member, write, mostBuffers);
      if (members === undefined) continue;
      const more = new OpenBundle(open.first, members);
      if (at >= behind) waiting[at] = more;
      else waiting = [...waiting.filter((other) => other !== open), more];
      return;
    }
    waiting.push(new OpenBundle(i, [member]));
  });
  close(() => true);
  return bundles;
}

type Kind = 'small product' | 'large product' | 'small reduction' | 'adjoint of attention';

interface Member {
  readonly kernel: Kernel;
  readonly kind: Kind;
  readonly code: WrittenKernel;
}

class OpenBundle implements SizedBundle {
  /** The number of its first kernel. */
  readonly first: number;
  readonly writes: ReadonlySet<NodeId>;
  readonly #members: readonly Member[];

  constructor(first: number, members: readonly Member[]) {
    this.first = first;
    this.writes = new Set(members.flatMap(({ code }) => code.writes));
    this.#members = members;
  }

  get kernels(): Bundle {
    return this.#members.map(({ kernel }) => kernel);
  }

  get lanes(): number {
    return this.#members[0]!.code.workgroupSize;
  }

  get longestDelay(): number {
    return this.#members[0]!.kind === 'small reduction' ? longestDelayOfReductions : longestDelay;
  }

  readsOf({ writes }: OpenBundle): boolean {
    return this.#members.some(({ code }) => code.reads.some((id) => writes.has(id)));
  }

  /** Whether it has a kernel that is only put off for the small ones right behind it. */
  get isDue(): boolean {
    return this.#members.some(({ kind }) => kind === 'large product');
  }

  /** What it has with one more, in workgroups of one size: a large product's, which is best for that. */
  with(member: Member, write: WriteAlone, mostBuffers: number): readonly Member[] | undefined {
    if (familyOf(member) !== familyOf(this.#members[0]!)) return undefined;
    const lanes = member.kind === 'large product' ? member.code.workgroupSize : this.lanes;
    const members = [...this.#members, member].map((each) => {
      const fits = each.code.workgroupSize === lanes || each.kind === 'large product';
      return fits ? each : { ...each, code: write(each.kernel, lanes) };
    });
    const codes = members.map(({ code }) => code);
    const buffers =
      new Set(codes.flatMap(({ writes }) => writes)).size + new Set(codes.flatMap(({ bound }) => bound)).size;
    const fit =
      buffers <= mostBuffers &&
      codes.every(({ workgroupSize }) => workgroupSize === lanes) &&
      codes.reduce((sum, { workgroups: [x, y, z] }) => sum + x * y * z, 0) <= mostWorkgroups;
    return fit ? members : undefined;
  }
}

/** What kernels of one dispatch have in common. */
function familyOf({ kind }: Member): string {
  return kind === 'small product' || kind === 'large product' ? 'product' : kind;
}

function kindOf({ nodes }: Program, { anchors, terms, outputs }: Kernel): Kind | undefined {
  const anchor = nodes[anchors[0] ?? -1];
  if (anchor === undefined) return undefined;
  const { op, inputs } = anchor;
  if (op.kind === 'attentionGrad') return 'adjoint of attention';
  if (op.kind === 'reduce')
    return sizeOf(nodes[inputs[0]!]!.shape) <= fewElements ? 'small reduction' : undefined;
  if (terms.length === 0) return undefined;
  const { shape } = nodes[terms[0]!]!;
  const isNarrow = Math.min(shape.at(-2)!, shape.at(-1)!) <= narrowSide;
  return isNarrow && terms.length === 1 && outputs.length === 1 ? 'small product' : 'large product';
}
