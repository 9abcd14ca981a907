import type { NodeId, Shape } from '@kora-bench/core/graph';
import type { Storage } from '../wgsl/numbers.js';

/** Where a kernel writes: the element with coordinates c goes to `offset + Σ cᵢ · stridesᵢ` of the buffer. */
export interface Destination {
  readonly buffer: NodeId;
  /** The value that is stored, seen as having these extents in row-major order. */
  readonly shape: Shape;
  readonly strides: readonly number[];
  readonly offset: number;
}

/** One value that a kernel stores. */
export interface KernelOutput {
  readonly root: NodeId;
  /**
   * The anchor whose result the elementwise ops up to `root` read in registers. In a kernel with anchors, an
   * output without one is computed first, and the anchors read it.
   */
  readonly anchor?: NodeId;
  readonly destination: Destination;
}

/** One dispatch. */
export interface Kernel {
  /**
   * What it computes beside elementwise ops: nothing, one value that needs a loop over others, an attention and
   * its statistics, or rows and the products of these.
   */
  readonly anchors: readonly NodeId[];
  /** Where the anchor is a sum of matrix products: these. */
  readonly terms: readonly NodeId[];
  readonly outputs: readonly KernelOutput[];
}

/** All kernels of a program, and how they keep what they compute. */
export interface KernelPlan {
  /** In an order to run in. */
  readonly kernels: readonly Kernel[];
  /** Nodes with a buffer of their own. */
  readonly stored: ReadonlySet<NodeId>;
  /** Values that may be too small for 16 bits. */
  readonly backward: ReadonlySet<NodeId>;
  /** How the elements of a node with a buffer are kept. */
  storageOf(id: NodeId): Storage;
}

/** Kernels that run in one dispatch; none reads what another of them writes. */
export type Bundle = readonly Kernel[];
