import { InternalError } from '../errors/kora-error.js';
import type { HostData, Shape } from '../graph/shape.js';
import { sizeOf } from '../graph/shape.js';

import { hostTensor } from '../tensor/host-tensor.js';
import type { Tensor, TracedGraph } from '../tensor/tensor.js';
import type { OpDefinition } from './definition.js';

function named<K extends 'feed' | 'frozen' | 'state'>(kind: K): OpDefinition<K> {
  const never = (): never => {
    throw new InternalError(
      `A ${kind} is declared through the GraphBuilder, and its value comes from outside.`,
    );
  };
  return { infer: never, evaluate: never, flops: () => 0 };
}

export const feedDefinition = named('feed');
export const frozenDefinition = named('frozen');
export const stateDefinition = named('state');

export const constantDefinition: OpDefinition<'constant'> = {
  infer: (op) => ({
    shape: op.shape,
    dtype: op.data instanceof Int32Array ? 'i32' : op.data instanceof Uint8Array ? 'bool' : 'f32',
  }),
  evaluate: (op, _inputs, output) => hostTensor(output.shape, op.data, output.dtype),
  flops: () => 0,
};

/** A value fixed at trace time; meant for scalars and small tables. */
export function constant(builder: TracedGraph, value: number | HostData, shape?: Shape): Tensor {
  const data = typeof value === 'number' ? Float64Array.of(value) : value;
  const filled = hostTensor(shape ?? (typeof value === 'number' ? [] : [data.length]), data);
  return builder.emit({ kind: 'constant', shape: filled.shape, data }, []);
}

/** The value of a constant with one element, if `tensor` is one. */
export function scalarValue(tensor: Tensor): number | undefined {
  const { op } = tensor.builder.node(tensor.id);
  return op.kind === 'constant' && sizeOf(op.shape) === 1 ? op.data[0] : undefined;
}
