import type { ReduceFn } from '@kora-bench/core';
import type { Width } from './place.js';
import { preludeName } from './prelude.js';
import { computedType } from './scalar.js';

/** How the lanes that work on one result put together what each has found. */
export interface Accumulation {
  readonly fn: ReduceFn;
  /** How many elements there are. */
  readonly count: number;
  /** Lanes that share the elements, neighbours next to each other; a power of two. */
  readonly lanes: number;
  /** How many elements a lane takes at once. */
  readonly width: Width;
}

/** Declared once by a kernel in which several lanes share an accumulation. */
export const partialsDeclaration = (lanes: number) => `var<workgroup> partials: array<f32, ${lanes}>;`;

/**
 * Statements that leave the accumulated value in `name`, in every lane. Sums go up in a tree over the
 * lanes, so those of many elements lose little precision.
 * @param lines compute `element`, the elements from number `k` on
 */
export function accumulate(
  name: string,
  { fn, count, lanes, width }: Accumulation,
  lines: readonly string[],
  element: string,
): string {
  const type = computedType('f32', width);
  const combine = (a: string, b: string, at: Width) =>
    fn === 'max' ? `${preludeName('larger', at)}(${a}, ${b})` : `${a} + ${b}`;
  const start = fn === 'max' ? '-infinity()' : '0.0f';
  const step = lanes * width;
  const first = lanes === 1 ? '0u' : width === 1 ? 'lane' : `lane * ${width}u`;
  const parts = ['x', 'y', 'z', 'w'].map((part) => `${name}_all.${part}`);
  const whole = width === 1 ? `${name}_all` : parts.reduce((a, b) => combine(a, b, 1));
  const across =
    lanes === 1
      ? ''
      : `partials[lane] = ${name};
workgroupBarrier();
for (var half = ${lanes / 2}u; half > 0u; half /= 2u) {
if (lane < half) { partials[lane] = ${combine('partials[lane]', 'partials[lane + half]', 1)}; }
workgroupBarrier();
}
${name} = partials[0];
workgroupBarrier();`;
  return `var ${name}_all = ${type}(${start});
for (var k = ${first}; k < ${count}u; k += ${step}u) {
${lines.join('\n')}
${name}_all = ${combine(`${name}_all`, element, width)};
}
var ${name} = ${whole};
${across}
${fn === 'mean' ? `${name} = ${name} / ${count}.0f;` : ''}`;
}
