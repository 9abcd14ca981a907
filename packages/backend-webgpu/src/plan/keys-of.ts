/** The keys under which a map has `value`. */
export function keysOf<Key, Value>(map: ReadonlyMap<Key, Value>, value: Value): readonly Key[] {
  return [...map].filter(([, other]) => other === value).map(([key]) => key);
}
