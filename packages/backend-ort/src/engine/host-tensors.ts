import type { DType, HostTensor, Shape } from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';
import type { Tensor } from 'onnxruntime-node';
import { typedArrayOf } from '../onnx/onnx-graph.js';
import type { Engine } from './engine.js';

/** A host tensor as the engine reads it, without a copy unless its numbers are float64. */
export function toEngine(engine: Engine, value: HostTensor): Tensor {
  return wrap(engine, value.dtype, value.shape, typedArrayOf(value.dtype, value.data));
}

/** Fresh memory on the host for the engine to write into. */
export function allocate(engine: Engine, dtype: DType, shape: Shape): Tensor {
  return wrap(engine, dtype, shape, new storage[dtype](sizeOf(shape)));
}

/** An engine tensor in host memory as the suite's; the data is shared. */
export function fromEngine(tensor: Tensor, dtype: DType, shape: Shape): HostTensor {
  return { dtype, shape, data: tensor.data as HostTensor['data'] };
}

/** The array that holds values of an element type. */
export const storage = { f32: Float32Array, i32: Int32Array, bool: Uint8Array } as const;

/** An array as a tensor of the engine, without a copy. */
export function wrap(
  engine: Engine,
  dtype: DType,
  shape: Shape,
  data: Float32Array | Int32Array | Uint8Array,
): Tensor {
  switch (dtype) {
    case 'f32':
      return new engine.Tensor('float32', data as Float32Array, shape);
    case 'i32':
      return new engine.Tensor('int32', data as Int32Array, shape);
    case 'bool':
      return new engine.Tensor('bool', data as Uint8Array, shape);
  }
}
