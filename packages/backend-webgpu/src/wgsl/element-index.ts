import type { Shape } from '@kora-bench/core/graph';
import { sizeOf, stridesOf } from '@kora-bench/core/graph';

/** How many elements are computed at once: one, or four that lie side by side along the last axis. */
export type Width = 1 | 4;

/**
 * One element of a value in WGSL, or the first of four: its row-major number, or its coordinate along each
 * axis, as `u32`. With width 4 the number, or the last coordinate, is a multiple of 4; where coordinates
 * are given, the extent of the last axis is one too.
 */
export type ElementIndex =
  | { readonly kind: 'flat'; readonly flat: string; readonly width: Width }
  | { readonly kind: 'axes'; readonly axes: readonly string[]; readonly width: Width };

/** Names a subexpression and returns its name, so that it is computed once. */
export type Let = (expression: string) => string;

/** By row-major number. */
export const flatIndex = (flat: string, width: Width = 1): ElementIndex => ({ kind: 'flat', flat, width });

/** By coordinates. */
export const axesIndex = (axes: readonly string[], width: Width = 1): ElementIndex => ({
  kind: 'axes',
  axes,
  width,
});

/** Equal for equal elements of one value. */
export function indexKey(index: ElementIndex): string {
  return `${index.width} ${index.kind === 'flat' ? index.flat : `[${index.axes.join()}]`}`;
}

/** Whether four elements side by side never cross the end of a row of `shape`. */
export function hasQuads(shape: Shape): boolean {
  return shape.length > 0 && shape.at(-1)! % 4 === 0;
}

/** The indices of the four elements from `index` on. */
export function elementsOf(index: ElementIndex, define: Let): readonly ElementIndex[] {
  return [0, 1, 2, 3].map((i) => {
    const moved = (first: string) => (i === 0 ? first : define(`${first} + ${i}u`));
    if (index.kind === 'flat') return flatIndex(moved(index.flat));
    return axesIndex([...index.axes.slice(0, -1), moved(index.axes.at(-1)!)]);
  });
}

/** Of the coordinates in a value of shape `result`, those in an `operand` that it is computed from, by NumPy's broadcasting. */
export function broadcastAxes(operand: Shape, result: Shape, axes: readonly string[]): readonly string[] {
  const added = result.length - operand.length;
  return operand.map((extent, axis) => (extent === 1 ? '0u' : axes[axis + added]!));
}

/** The row-major number of `index` in a value of `shape`. */
export function flatOf(index: ElementIndex, shape: Shape, define: Let): string {
  if (index.kind === 'flat') return sizeOf(shape) === 1 ? '0u' : index.flat;
  const strides = stridesOf(shape);
  const terms = index.axes.flatMap((coordinate, axis) => {
    if (shape[axis] === 1 || coordinate === '0u') return [];
    return [strides[axis] === 1 ? coordinate : `${coordinate} * ${strides[axis]}u`];
  });
  if (terms.length === 0) return '0u';
  return terms.length === 1 && !terms[0]!.includes(' ') ? terms[0]! : define(terms.join(' + '));
}

/** The coordinates of `index` in a value of `shape`. */
export function axesOf(index: ElementIndex, shape: Shape, define: Let): readonly string[] {
  if (index.kind === 'axes') return index.axes;
  const strides = stridesOf(shape);
  const outermost = shape.findIndex((extent) => extent > 1);
  return shape.map((extent, axis) => {
    if (extent === 1) return '0u';
    const steps = strides[axis] === 1 ? index.flat : `(${index.flat} / ${strides[axis]}u)`;
    if (axis === outermost) return strides[axis] === 1 ? steps : define(steps);
    return define(`${steps} % ${extent}u`);
  });
}
