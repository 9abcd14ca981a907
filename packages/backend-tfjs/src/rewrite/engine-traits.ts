import type { TfjsDevice } from '../devices/devices.js';
import { wasmSlice } from '../devices/wasm-slice.js';

/**
 * What an engine's kernels get wrong or are slow at, so that programs go around it. Found by the conformance
 * suite and by timing kernels on tfjs 4.22; see `bench/results.md`.
 */
export interface EngineTraits {
  /** A kernel takes a product and its bias in one pass. */
  readonly fusesBias: boolean;
  /** Batch axes of a product broadcast on both sides at once; else only an operand without a batch does. */
  readonly broadcastsBatches: boolean;
  /** Products read a transposed operand as fast as a plain one. */
  readonly readsTransposed: boolean;
  /** A batch of products is as fast as the same products one by one. */
  readonly batchesProducts: boolean;
  /** `max` and `min` of two values return NaN where one of them is NaN. */
  readonly comparesNaN: boolean;
  /** `sign` knows negative numbers and NaN, and numbers that are not 0 or 1 can be cast to masks. */
  readonly exactSigns: boolean;
  /** Of two masks, one can be chosen element by element as of two numbers. */
  readonly choosesMasks: boolean;
  /** The kernel that cuts a part out of a value. */
  readonly slice: string;
  /** Of results up to this rank, all kernels are right. */
  readonly largestRank: number;
}

const plain: EngineTraits = {
  fusesBias: true,
  broadcastsBatches: false,
  readsTransposed: true,
  batchesProducts: true,
  comparesNaN: true,
  exactSigns: false,
  choosesMasks: true,
  slice: 'Slice',
  largestRank: Infinity,
};

const native: EngineTraits = { ...plain, fusesBias: false, broadcastsBatches: true, exactSigns: true };

export const engineTraits: Readonly<Record<TfjsDevice, EngineTraits>> = {
  wasm: {
    ...plain,
    fusesBias: false,
    readsTransposed: false,
    batchesProducts: false,
    comparesNaN: false,
    choosesMasks: false,
    slice: wasmSlice,
  },
  cpu: plain,
  webgpu: { ...plain, largestRank: 4 },
  node: native,
  'node-gpu': native,
};
