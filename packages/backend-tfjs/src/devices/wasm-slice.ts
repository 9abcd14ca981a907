import { sizeOf, stridesOf } from '@kora-bench/core/graph';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { Tfjs } from './devices.js';

/** tfjs's own kernel copies the whole operand before it cuts: a matrix of a batch costs as much as all of them. */
export const wasmSlice = 'KoraSlice';

interface SliceArguments {
  readonly inputs: { readonly x: TensorInfo };
  readonly attrs: { readonly begin: readonly number[]; readonly size: readonly number[] };
  readonly backend: BackendWasm;
}

/** Registers a kernel that copies the slice alone, run by run; for float32 values. */
export function registerWasmSlice(tf: Tfjs): void {
  if (tf.getKernel(wasmSlice, 'wasm') != null) return;
  tf.registerKernel({
    kernelName: wasmSlice,
    backendName: 'wasm',
    kernelFunc: (args) => slice(args as unknown as SliceArguments),
  });
}

function slice({ inputs: { x }, attrs: { begin, size }, backend }: SliceArguments): TensorInfo {
  const result = backend.makeOutput([...size], x.dtype);
  // After the allocation: it can move the memory.
  const source = backend.typedArrayFromHeap(x);
  const target = backend.typedArrayFromHeap(result);
  const strides = stridesOf(x.shape);
  let inner = size.length - 1;
  while (inner > 0 && size[inner] === x.shape[inner]) inner--;
  const run = inner < 0 ? 1 : sizeOf(size.slice(inner));
  const copy = (axis: number, from: number, to: number): number => {
    if (axis >= inner) {
      const start = from + (begin[axis] ?? 0) * (strides[axis] ?? 1);
      target.set(source.subarray(start, start + run), to);
      return to + run;
    }
    let at = to;
    for (let i = 0; i < size[axis]!; i++) at = copy(axis + 1, from + (begin[axis]! + i) * strides[axis]!, at);
    return at;
  };
  copy(0, 0, 0);
  return result;
}
