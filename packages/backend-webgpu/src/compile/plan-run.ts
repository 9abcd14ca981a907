import type { Op, Program } from '@kora-bench/core/graph';
import type { BatchCut, BodyResult } from '@kora-bench/core/passes';
import { cutBatch, rewriteProgram, simplify, splitBatch } from '@kora-bench/core/passes';
import type { KernelTarget } from '../kernels/kernel-target.js';
import type { KernelPlan } from '../plan/kernel.js';
import { isView } from '../plan/op-roles.js';
import { planKernels } from '../plan/plan-kernels.js';
import type { Precision } from '../wgsl/numbers.js';
import { arrangeProgram } from './prepare-program.js';

/** A program for whose kernels it is decided what each computes. */
export interface PlannedProgram {
  readonly program: Program;
  readonly plan: KernelPlan;
}

/**
 * A program as it is run: the whole batch at once, or a body for each part of it, between what comes before all
 * parts and what comes after them.
 */
export interface PlannedRun {
  /** What is done once. */
  readonly outer: PlannedProgram;
  readonly cut?: PlannedCut;
}

/** What a body does with each part of the batch, and what passes between it and the program around it. */
export interface PlannedCut {
  readonly parts: number;
  readonly body: PlannedProgram;
  /** Feeds of the body that get a part's block of one of the run's feeds, with that feed's name. */
  readonly fed: ReadonlyMap<string, string>;
  /** Feeds of the body that get a part's block of the outer program's output of the same name. */
  readonly blocks: readonly string[];
  /** Feeds of the body that stand for the outer program's output of the same name. */
  readonly shared: readonly string[];
  readonly sums: readonly BodyResult[];
  readonly joined: readonly BodyResult[];
}

/** Plans a run that takes the whole batch at once. */
export function planWhole(lowered: Program, target: KernelTarget): PlannedRun {
  return { outer: planned(lowered, target, target.precision) };
}

/**
 * Plans a run that takes the batch in parts.
 * @param batch the number of examples
 * @param parts a divisor of it
 * @returns `undefined` where examples have no work of their own
 */
export function planParts(
  lowered: Program,
  batch: number,
  parts: number,
  target: KernelTarget,
): PlannedRun | undefined {
  const cut = cutBatch(lowered, batch, parts);
  if (!hasBody(lowered, cut)) return undefined;
  const { outer, body, blocks, shared, sums, joined } = splitBatch(lowered, cut, ({ op }) => isFree(op));
  const fed = new Map<string, string>();
  for (const { feed, outer: id } of blocks) {
    const { op } = outer.nodes[id]!;
    if (op.kind === 'feed') fed.set(feed, op.name);
  }
  const copied = blocks.filter(({ feed }) => !fed.has(feed));
  const handed = [...copied, ...shared].map(({ feed, outer: id }) => [feed, id] as const);
  const extended = { ...outer, outputs: new Map([...outer.outputs, ...handed]) };
  return {
    // Where a gradient comes from the body, the rest of its way cannot be told from the forward pass.
    outer: planned(rewriteProgram(extended, simplify), target, 'f32'),
    cut: {
      parts,
      body: planned(rewriteProgram(body, simplify), target, target.precision),
      fed,
      blocks: copied.map(({ feed }) => feed),
      shared: shared.map(({ feed }) => feed),
      sums,
      joined,
    },
  };
}

/** Reading a state or a part of it costs a kernel nothing. */
function isFree(op: Op): boolean {
  return op.kind === 'state' || isView(op);
}

function hasBody({ nodes }: Program, { places }: BatchCut): boolean {
  return nodes.some(({ id, inputs }) => inputs.length > 0 && (places[id] === 'body' || places[id] === 'sum'));
}

function planned(lowered: Program, { mostBuffers }: KernelTarget, precision: Precision): PlannedProgram {
  const program = arrangeProgram(lowered);
  return { program, plan: planKernels(program, mostBuffers - 1, precision) };
}
