import type { DType, HostData, Shape } from '../graph/shape.js';
import { sameShape, sizeOf, stridesOf } from '../graph/shape.js';
import type { HostTensor } from '../tensor/host-tensor.js';
import type { Typed } from './definition.js';

/** Fresh zeroed storage for the oracle: float64 for real numbers. */
export function storageFor(dtype: DType, length: number): Float64Array | Int32Array | Uint8Array {
  switch (dtype) {
    case 'f32':
      return new Float64Array(length);
    case 'i32':
      return new Int32Array(length);
    case 'bool':
      return new Uint8Array(length);
  }
}

/** A tensor of `type` whose element `i` (row-major) is `value(i)`. */
export function fill(type: Typed, value: (i: number) => number): HostTensor {
  const data = storageFor(type.dtype, sizeOf(type.shape));
  for (let i = 0; i < data.length; i++) data[i] = value(i);
  return { dtype: type.dtype, shape: type.shape, data };
}

/** Reads `tensor` as if it had been broadcast to `shape`: element `i` of the result, row-major. */
export function broadcastReader(tensor: HostTensor, shape: Shape): (i: number) => number {
  const { data } = tensor;
  if (data.length === sizeOf(shape)) return (i) => data[i]!;
  const index = broadcastIndex(tensor.shape, shape);
  return (i) => data[index(i)]!;
}

/** Maps a row-major index of `to` to one of `from`, which broadcasts to it. */
export function broadcastIndex(from: Shape, to: Shape): (i: number) => number {
  const size = sizeOf(from);
  if (size === 1) return () => 0;
  const repeated = from.slice(from.findIndex((extent) => extent !== 1));
  if (sameShape(repeated, to.slice(to.length - repeated.length))) return (i) => i % size;

  const lead = to.length - from.length;
  const fromStrides = stridesOf(from).map((stride, axis) => (from[axis] === 1 ? 0 : stride));
  const toStrides = stridesOf(to);
  return (i) => {
    let rest = i;
    let at = 0;
    for (let axis = 0; axis < to.length; axis++) {
      const position = Math.floor(rest / toStrides[axis]!);
      rest -= position * toStrides[axis]!;
      if (axis >= lead) at += position * fromStrides[axis - lead]!;
    }
    return at;
  };
}

/** Data as float64, without a copy where it is already. */
export function asFloat64(data: HostData): Float64Array {
  return data instanceof Float64Array ? data : Float64Array.from(data);
}

/**
 * The error function in float64, accurate to about 1e-15.
 * Sources: Abramowitz & Stegun 7.1.6 (series for small |x|) and 7.1.14 (continued fraction of erfc).
 */
export function erf(x: number): number {
  if (Number.isNaN(x)) return x;
  const magnitude = Math.abs(x);
  if (magnitude > 6) return Math.sign(x);
  return Math.sign(x) * (magnitude < 2.5 ? series(magnitude) : 1 - complement(magnitude));
}

function series(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * sum; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

function complement(x: number): number {
  let fraction = 0;
  for (let k = 60; k >= 1; k--) fraction = k / 2 / (x + fraction);
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + fraction);
}
