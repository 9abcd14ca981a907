import type { DType, Shape } from '@kora-bench/core';
import type { OrtOptions } from '../options.js';

export type HostArray = Float32Array | Int32Array | Uint8Array;

/** What a replica's thread is started with. */
export interface ReplicaJob {
  /** The encoded program of one part of the batch, bytes in memory that all threads see. */
  readonly model: HostArray;
  readonly options: OrtOptions;
  readonly inputs: readonly ReplicaInput[];
}

/** An input of the part's model. */
export interface ReplicaInput {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
  /** In memory that both threads see; written before a run is asked for. */
  readonly data: HostArray;
}

export type ReplicaRequest = 'run' | 'close';

/** What a replica answers: its outputs by name (none when it has just started), or why it has none. */
export type ReplicaAnswer =
  | { readonly outputs: Readonly<Record<string, HostArray>> }
  | { readonly failure: string };
