import { InputError } from '@kora-bench/core/errors';

/** JSON with the keys of every object sorted: equal values give equal text. `undefined` fields are left out. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : inner,
  );
}

/**
 * Parses a configuration file; a byte-order mark at its start is passed over.
 * @throws InputError naming the file and the parser's complaint
 */
export function parseJsonFile(text: string, path: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''), (key, value: unknown) => {
      if (key === '__proto__') throw noPrototypes(path);
      return value;
    }) as unknown;
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError('The configuration file is not valid JSON.', {
      where: path,
      expected: 'JSON, without comments or trailing commas',
      received: (error as SyntaxError).message,
      fix: 'Correct the file at this place.',
    });
  }
}

/** JavaScript gives this name a meaning of its own: as a field it would be lost where objects are merged. */
function noPrototypes(path: string): InputError {
  return new InputError('There is no field "__proto__".', {
    where: path,
    expected: 'no such field',
    received: '"__proto__"',
    fix: 'Remove the field.',
  });
}
