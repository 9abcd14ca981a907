import type { Tensor } from '../tensor/tensor.js';
import type { Op } from './op.js';

/** A string that is equal for equal ops on equal inputs, and only for them. */
export function structuralKey(op: Op, inputs: readonly Tensor[]): string {
  const ids = inputs.map((input) => input.id).join(',');
  return `${describeOp(op)}(${ids})`;
}

/** Ops are never changed, and passes hand the same objects on from graph to graph. */
const described = new WeakMap<Op, string>();

/** The op and all its attributes as text, stable across runs. */
export function describeOp(op: Op): string {
  const known = described.get(op);
  if (known !== undefined) return known;
  const text = describe(op);
  described.set(op, text);
  return text;
}

function describe(op: Op): string {
  if (op.kind === 'constant') return `constant:${op.data.constructor.name}:${op.shape}:${op.data.join(',')}`;
  const { kind, ...attributes } = op;
  const text = Object.entries(attributes)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(';');
  return `${kind}:${text}`;
}
