/** The part of JSON Schema (draft 2020-12) that describes one value; what zod's `toJSONSchema` writes. */
export interface SchemaNode {
  readonly type?: string;
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minLength?: number;
  readonly items?: SchemaNode;
  readonly prefixItems?: readonly SchemaNode[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: SchemaNode | boolean;
  readonly anyOf?: readonly SchemaNode[];
  readonly oneOf?: readonly SchemaNode[];
}

/** The nodes that may describe the value at `path`; several where the schema offers alternatives. */
export function nodesAt(root: SchemaNode, path: readonly PropertyKey[]): SchemaNode[] {
  let nodes = alternatives(root);
  for (const key of path) {
    nodes = nodes
      .flatMap((node) => {
        const child =
          typeof key === 'number' ? (node.prefixItems?.[key] ?? node.items) : property(node, String(key));
        return child === undefined ? [] : [child];
      })
      .flatMap(alternatives);
  }
  return nodes;
}

function property(
  { properties = {}, additionalProperties }: SchemaNode,
  name: string,
): SchemaNode | undefined {
  if (Object.hasOwn(properties, name)) return properties[name];
  return typeof additionalProperties === 'object' ? additionalProperties : undefined;
}

function alternatives(node: SchemaNode): SchemaNode[] {
  const inner = node.anyOf ?? node.oneOf;
  return inner === undefined ? [node] : inner.flatMap(alternatives);
}

/** In words what values a node allows, e.g. `an integer from 1 to 1000`; undefined when it does not say. */
export function describeNode(node: SchemaNode): string | undefined {
  if (node.const !== undefined) return JSON.stringify(node.const);
  if (node.enum !== undefined) return `one of ${node.enum.map(String).join(', ')}`;
  switch (node.type) {
    case 'integer':
      return `an integer${range(node)}`;
    case 'number':
      return `a number${range(node)}`;
    case 'boolean':
      return 'true or false';
    case 'null':
      return 'null';
    case 'string':
      return (node.minLength ?? 0) > 0 ? 'a non-empty string' : 'a string';
    case 'array': {
      const each = node.items && describeNode(node.items);
      const few = (node.minItems ?? 0) > 0 ? `at least ${node.minItems} of them` : undefined;
      return ['a list', each && `, each ${each}`, few && `, ${few}`].filter(Boolean).join('');
    }
    case 'object':
      return node.properties === undefined
        ? 'an object'
        : `an object with the fields ${Object.keys(node.properties).join(', ')}`;
    default:
      return undefined;
  }
}

/** zod writes the safe integers' limits where a schema has none of its own. */
const isLimit = (value: number | undefined): value is number =>
  value !== undefined && Math.abs(value) !== Number.MAX_SAFE_INTEGER;

function range({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: SchemaNode): string {
  if (isLimit(minimum) && isLimit(maximum)) return ` from ${minimum} to ${maximum}`;
  const low = isLimit(minimum)
    ? `of at least ${minimum}`
    : isLimit(exclusiveMinimum)
      ? `above ${exclusiveMinimum}`
      : '';
  const high = isLimit(maximum)
    ? `at most ${maximum}`
    : isLimit(exclusiveMaximum)
      ? `below ${exclusiveMaximum}`
      : '';
  const both = [low, high].filter((part) => part !== '').join(' and ');
  return both === '' ? '' : ` ${both}`;
}
