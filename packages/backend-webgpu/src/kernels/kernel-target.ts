import type { Precision } from '../wgsl/numbers.js';

/** What kernels are written for. */
export interface KernelTarget {
  /**
   * How lanes share what they load: through the memory of a workgroup, or through the registers of a
   * subgroup whose size is known. The latter is for software drivers, where memory of a workgroup is no
   * faster than any other and a barrier costs a change of stacks.
   */
  readonly sharing: Sharing;
  /** Whether neighbouring lanes, four at least, can exchange what is in their registers. */
  readonly shuffles: boolean;
  /** Whether lanes work on four elements at a time where these lie side by side. */
  readonly quads: boolean;
  /** Bytes of memory that a workgroup may have. */
  readonly workgroupBytes: number;
  /** What real numbers are kept in; sums are always added up in 32 bits. */
  readonly precision: Precision;
  /** Matrix units that take numbers of this precision; absent where there are none. */
  readonly matrixUnits?: MatrixUnits;
  /** The best tiles of products, by `productKey`, as far as they were measured. */
  readonly tiles?: ReadonlyMap<string, Tile>;
  /** How many lanes the workgroups of products should have, so that they fit others of one dispatch. */
  readonly lanes?: number | undefined;
  /** Buffers that one kernel may use. */
  readonly mostBuffers: number;
}

/** See `KernelTarget`. */
export type Sharing = { readonly kind: 'workgroup' } | { readonly kind: 'subgroup'; readonly size: number };

/** Units that add the product [M, K] · [K, N] to a matrix of 32-bit sums for a subgroup of `lanes` lanes. */
export interface MatrixUnits {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly component: Precision;
  readonly lanes: number;
}

/** How a workgroup computes a block of a product's result. All numbers are divisible by four. */
export interface Tile {
  /** Rows and columns of the block. */
  readonly rows: number;
  readonly columns: number;
  /** How many elements of each row and column are in the workgroup's memory at once. */
  readonly depth: number;
  /** Rows and columns of the part of one lane. */
  readonly laneRows: number;
  readonly laneColumns: number;
}
