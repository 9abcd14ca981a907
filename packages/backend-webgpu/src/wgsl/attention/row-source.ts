/**
 * How the rows of the other side reach the lanes, which all need the same row at the same time.
 * `shared`, for GPUs: tiles of rows in the memory of the workgroup; `lanesPerRow` neighbouring lanes share
 * one of their own rows, so that fewer registers are needed and more lanes have work; more than 1 needs
 * subgroups of at least as many lanes, whose lanes are neighbours.
 * `subgroup`, for software drivers, where shared memory is no faster than a buffer: a workgroup is one
 * subgroup of exactly `size` lanes, each lane reads a part of the row and broadcasts it.
 */
export type RowSource =
  | { readonly kind: 'shared'; readonly lanesPerRow: 1 | 2 | 4 }
  | { readonly kind: 'subgroup'; readonly size: number };
