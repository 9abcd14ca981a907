import type { Tensor } from '../tensor/tensor.js';
import type { Op } from './op.js';

/** A string that is equal for equal ops on equal inputs, and only for them. */
export function structuralKey(op: Op, inputs: readonly Tensor[]): string {
  const ids = inputs.map((input) => input.id).join(',');
  return `${describeOp(op)}(${ids})`;
}

/** The op and all its attributes as text, stable across runs. */
export function describeOp(op: Op): string {
  const { kind, ...attributes } = op;
  if (op.kind === 'constant') return `constant:${op.data.constructor.name}:${op.shape}:${op.data.join(',')}`;
  const text = Object.entries(attributes)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(';');
  return `${kind}:${text}`;
}
