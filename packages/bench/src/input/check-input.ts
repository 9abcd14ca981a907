import { InputError } from '@kora-bench/core/errors';
import { closest, distance } from 'fastest-levenshtein';
import { z } from 'zod';
import type { SchemaNode } from './describe-schema.js';
import { describeNode, nodesAt } from './describe-schema.js';

export interface InputOrigin {
  /** The file that the value was read from. */
  readonly file?: string;
  /** The path of the value in the configuration, e.g. `methods[2].options`. */
  readonly prefix?: string;
  /** The flag that set a field, by the field's path. */
  readonly flags?: ReadonlyMap<string, string>;
  /** What helps when fields are missing, beside adding them. */
  readonly whereFieldsCome?: string;
}

/**
 * Validates what a user wrote.
 * @throws InputError for the first fault, with the field's path, what was expected, what came and the fix;
 * further faults are named in the message
 */
export function checkInput<T>(schema: z.ZodType<T>, value: unknown, origin: InputOrigin = {}): T {
  // Rules with a message of their own keep it.
  const result = schema.safeParse(value, { error: () => 'another value' });
  if (result.success) return result.data;
  const isMissing = ({ code, path }: z.core.$ZodIssue) =>
    code !== 'unrecognized_keys' && valueAt(value, path) === undefined;
  const all = result.error.issues.map(innermost);
  // What was written wrongly says more than what was not written.
  const issues = [...all.filter((each) => !isMissing(each)), ...all.filter(isMissing)];
  const issue = issues[0]!;
  const root = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as SchemaNode;
  const { prefix = '' } = origin;
  const unknownKey = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
  const path = unknownKey === undefined ? issue.path : [...issue.path, unknownKey];
  const field = joinPath(prefix, path);
  const flag = origin.flags?.get(field);
  const places = [
    field === '' ? undefined : field,
    flag && `set by ${flag}`,
    origin.file && `in ${origin.file}`,
  ];
  const more = issues.slice(1).map(({ path }) => joinPath(prefix, path) || 'the whole');
  const fields = unknownKey === undefined ? [] : fieldNames(root, issue.path);
  const expected =
    unknownKey === undefined
      ? expectation(root, path, issue)
      : fields.length > 0
        ? `one of the fields ${fields.join(', ')}`
        : 'no such field';
  throw new InputError(
    `${unknownKey === undefined ? `${field || 'The value'} is not valid` : `There is no field "${unknownKey}"`}` +
      `${more.length === 0 ? '.' : `; neither ${more.length === 1 ? 'is' : 'are'} ${more.join(', ')}.`}`,
    {
      where: places.filter((part) => part !== undefined && part !== '').join(' ') || 'configuration',
      expected,
      received: unknownKey === undefined ? shown(valueAt(value, path)) : unknownKey,
      fix:
        unknownKey === undefined
          ? isMissing(issue)
            ? ['Add', field || 'it', origin.whereFieldsCome].filter(Boolean).join(' ').concat('.')
            : `Change ${flag ?? (field || 'it')}.`
          : suggestion(unknownKey, fields, 'Remove the field.'),
    },
  );
}

/** Of a value that fits no alternative of a union, the fault in the alternative that it came nearest to. */
function innermost(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== 'invalid_union') return issue;
  const deepest = issue.errors
    .flat()
    .filter(({ path }) => path.length > 0)
    .toSorted((a, b) => b.path.length - a.path.length)[0];
  return deepest === undefined
    ? issue
    : innermost({ ...deepest, path: [...issue.path, ...deepest.path] } as z.core.$ZodIssue);
}

function expectation(root: SchemaNode, path: readonly PropertyKey[], issue: z.core.$ZodIssue): string {
  // A rule that JSON Schema cannot say has its own message.
  if (issue.code === 'custom') return issue.message;
  const described = nodesAt(root, path).flatMap((node) => describeNode(node) ?? []);
  return described.length === 0 ? issue.message : [...new Set(described)].join(', or ');
}

function fieldNames(root: SchemaNode, path: readonly PropertyKey[]): string[] {
  return [...new Set(nodesAt(root, path).flatMap(({ properties }) => Object.keys(properties ?? {})))].filter(
    (name) => name !== '$schema',
  );
}

/** `methods[2].options.rank` from its parts. */
export function joinPath(prefix: string, path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    return text === '' ? String(key) : `${text}.${String(key)}`;
  }, prefix);
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      inner === null || inner === undefined ? undefined : (inner as Record<PropertyKey, unknown>)[key],
    value,
  );
}

function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}

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
