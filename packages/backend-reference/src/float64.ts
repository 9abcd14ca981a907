import type { HostTensor } from '@kora-bench/core/graph';

/** A copy of `tensor` in the storage that the interpreter computes in: float64 for real numbers. */
export function toFloat64({ dtype, shape, data }: HostTensor): HostTensor {
  switch (dtype) {
    case 'f32':
      return { dtype, shape, data: Float64Array.from(data) };
    case 'i32':
      return { dtype, shape, data: Int32Array.from(data) };
    case 'bool':
      return { dtype, shape, data: Uint8Array.from(data) };
  }
}
