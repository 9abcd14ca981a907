/**
 * At most `count` different indices below `length`, evenly spaced; from two on, the first and the last
 * are among them.
 */
export function evenlySpaced(length: number, count: number): number[] {
  if (length <= count) return Array.from({ length }, (_, i) => i);
  if (count === 1) return [Math.floor(length / 2)];
  return Array.from({ length: count }, (_, i) => Math.round((i * (length - 1)) / (count - 1)));
}
