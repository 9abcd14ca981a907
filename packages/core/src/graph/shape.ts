/** Element types: `f32` real numbers, `i32` labels and indices, `bool` masks. */
export type DType = 'f32' | 'i32' | 'bool';

/** Extents per axis, outermost first; a scalar is `[]`. Every extent is at least 1. */
export type Shape = readonly number[];

/** Element storage by dtype; `f32` values may be held in float64 where the oracle needs it. */
export type HostData = Float32Array | Float64Array | Int32Array | Uint8Array;

/** The number of elements: the product of the extents. */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const extent of shape) size *= extent;
  return size;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((extent, axis) => extent === b[axis]);
}

/** `[2, 197, 192]`, as printed in every message. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

/**
 * NumPy's broadcasting of two shapes, or `undefined` where they do not fit.
 * Source: NumPy user guide, "Broadcasting".
 */
export function broadcastShapes(a: Shape, b: Shape): Shape | undefined {
  const rank = Math.max(a.length, b.length);
  const out: number[] = [];
  for (let i = 0; i < rank; i++) {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x !== y && x !== 1 && y !== 1) return undefined;
    out.push(Math.max(x, y));
  }
  return out;
}

/** Row-major strides in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}
