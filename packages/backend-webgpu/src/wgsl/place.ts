import type { Shape } from '@kora-bench/core';
import { sizeOf, stridesOf } from '@kora-bench/core';

/** One element of a value in WGSL: its row-major number, or its coordinate along each axis, as `u32`. */
export type Place =
  | { readonly kind: 'flat'; readonly flat: string }
  | { readonly kind: 'axes'; readonly axes: readonly string[] };

/** Names a subexpression and returns its name, so that it is computed once. */
export type Let = (expression: string) => string;

export const flatPlace = (flat: string): Place => ({ kind: 'flat', flat });
export const axesPlace = (axes: readonly string[]): Place => ({ kind: 'axes', axes });

/** Equal for equal places of one value. */
export function placeKey(place: Place): string {
  return place.kind === 'flat' ? place.flat : `[${place.axes.join()}]`;
}

/** The row-major number of `place` in a value of `shape`. */
export function flatOf(place: Place, shape: Shape, define: Let): string {
  if (place.kind === 'flat') return sizeOf(shape) === 1 ? '0u' : place.flat;
  const strides = stridesOf(shape);
  const terms = place.axes.flatMap((coordinate, axis) => {
    if (shape[axis] === 1 || coordinate === '0u') return [];
    return [strides[axis] === 1 ? coordinate : `${coordinate} * ${strides[axis]}u`];
  });
  if (terms.length === 0) return '0u';
  return terms.length === 1 && !terms[0]!.includes(' ') ? terms[0]! : define(terms.join(' + '));
}

/** The coordinates of `place` in a value of `shape`. */
export function axesOf(place: Place, shape: Shape, define: Let): readonly string[] {
  if (place.kind === 'axes') return place.axes;
  const strides = stridesOf(shape);
  const outermost = shape.findIndex((extent) => extent > 1);
  return shape.map((extent, axis) => {
    if (extent === 1) return '0u';
    const steps = strides[axis] === 1 ? place.flat : `(${place.flat} / ${strides[axis]}u)`;
    if (axis === outermost) return strides[axis] === 1 ? steps : define(steps);
    return define(`${steps} % ${extent}u`);
  });
}
