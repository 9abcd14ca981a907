import { InputError } from '@kora-bench/core';
import { closest, distance } from 'fastest-levenshtein';

/** A sentence that offers the nearest of `names`, or the way to list them when none is near. */
export function suggestion(received: string, names: readonly string[], otherwise: string): string {
  if (names.length === 0) return otherwise;
  const nearest = closest(received.toLowerCase(), [...names]);
  const near = distance(received.toLowerCase(), nearest.toLowerCase()) <= Math.max(2, nearest.length / 2);
  return near ? `Did you mean ${nearest}?` : otherwise;
}

/**
 * The entry named `name`.
 * @param kind in words, e.g. `method`
 * @param where the field or flag that gave the name
 * @throws InputError with the valid names and the nearest
 */
export function findRegistered<T>(
  known: ReadonlyMap<string, T>,
  kind: string,
  name: string,
  where: string,
): T {
  const found = known.get(name);
  if (found !== undefined) return found;
  const names = [...known.keys()];
  throw new InputError(`There is no ${kind} "${name}".`, {
    where,
    expected: `one of ${names.join(', ')}`,
    received: name,
    fix: suggestion(name, names, `Choose one of these, or register another as a plugin.`),
  });
}
