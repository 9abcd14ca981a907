/**
 * Groups of things that cannot be told apart, as letters: two things share a letter exactly where no difference
 * between them is known. Source: Piepho, "An algorithm for a letter-based representation of all-pairwise
 * comparisons" (2004), insert and absorb.
 * @param count of things, the best first, so that the best are in group a
 * @param differs pairs of indices whose difference holds
 * @returns for each thing its letters, e.g. `ab`
 */
export function compactLetters(count: number, differs: readonly (readonly [number, number])[]): string[] {
  let groups: ReadonlySet<number>[] = [new Set(Array.from({ length: count }, (_, i) => i))];
  for (const [a, b] of differs) {
    const split = groups.flatMap((group) =>
      group.has(a) && group.has(b) ? [without(group, a), without(group, b)] : [group],
    );
    groups = absorbed(split);
  }
  const ordered = groups.toSorted(
    (a, b) => Math.min(...a) - Math.min(...b) || Math.max(...a) - Math.max(...b),
  );
  return Array.from({ length: count }, (_, i) =>
    ordered.flatMap((group, g) => (group.has(i) ? [letter(g)] : [])).join(''),
  );
}

const without = (group: ReadonlySet<number>, thing: number) =>
  new Set([...group].filter((one) => one !== thing));

/** Without groups that are part of another one. */
function absorbed(groups: readonly ReadonlySet<number>[]): ReadonlySet<number>[] {
  return groups.filter(
    (group, i) =>
      !groups.some(
        (other, j) =>
          i !== j &&
          [...group].every((one) => other.has(one)) &&
          // Of equal groups the first one stays.
          (other.size > group.size || j < i),
      ),
  );
}

/** a to z; numbers in brackets after these. */
const letter = (index: number) => (index < 26 ? String.fromCharCode(97 + index) : `(${index})`);
