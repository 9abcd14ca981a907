import { ShapeError } from '../errors/kora-error.js';
import type { DType, HostData, Shape } from '../graph/shape.js';
import { sizeOf } from '../graph/shape.js';

/** A dense row-major tensor in host memory. */
export interface HostTensor {
  readonly dtype: DType;
  readonly shape: Shape;
  /** Length = product of `shape`. */
  readonly data: HostData;
}

/** Values of frozen weights by name. A backend reads each at most once per compilation. */
export type Weights = ReadonlyMap<string, HostTensor>;

/** Named host tensors, as fed to a program or fetched from it. */
export type HostTensors = Readonly<Record<string, HostTensor>>;

/**
 * Wraps `data` as a row-major tensor of `shape`.
 * @throws ShapeError when the length of `data` is not the product of `shape`.
 */
export function hostTensor(shape: Shape, data: HostData, dtype?: DType): HostTensor {
  if (data.length !== sizeOf(shape)) {
    throw new ShapeError('The data does not fill the shape.', {
      expected: `${sizeOf(shape)} elements for [${shape.join(', ')}]`,
      received: `${data.length} elements`,
    });
  }
  const inferred: DType = data instanceof Int32Array ? 'i32' : data instanceof Uint8Array ? 'bool' : 'f32';
  return { dtype: dtype ?? inferred, shape, data };
}
