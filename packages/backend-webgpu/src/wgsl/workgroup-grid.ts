/** The most workgroups along one axis of a dispatch. */
const mostWorkgroups = 65_535;

/** `count` workgroups in a grid that no axis of is too long; the last row may be longer than needed. */
export function spread(count: number): readonly [number, number, number] {
  if (count <= mostWorkgroups) return [count, 1, 1];
  const rows = Math.ceil(count / mostWorkgroups);
  return [Math.ceil(count / rows), rows, 1];
}
