import type { Tensor } from '@kora-bench/core/graph';
import { cast, constant, equal, greater, less, reshape, where } from '@kora-bench/core/ops';
import type { Visit } from '@kora-bench/core/passes';
import type { EngineTraits } from './engine-traits.js';

/** Replaces ops whose kernels give other values than the suite's by ops whose kernels are right. */
export function exactValues({ comparesNaN, exactSigns, choosesMasks }: EngineTraits): Visit {
  return ({ op, dtype }, [x, y, z]) => {
    switch (op.kind) {
      case 'where':
        return dtype === 'bool' && !choosesMasks
          ? greater(where(x!, cast(y!, 'f32'), cast(z!, 'f32')), 0.5)
          : undefined;
      case 'oneHot':
        // Some kernels fill the result with integers.
        return oneHot(x!, op.depth);
      case 'unary':
        return op.fn === 'sign' && !exactSigns ? signOf(x!) : undefined;
      case 'cast':
        return op.to === 'bool' && x!.dtype !== 'bool' && !exactSigns ? isNotZero(x!) : undefined;
      case 'binary':
        return (op.fn === 'max' || op.fn === 'min') && !comparesNaN ? extreme(op.fn, x!, y!) : undefined;
      default:
        return undefined;
    }
  };
}

function oneHot(indices: Tensor, depth: number): Tensor {
  const classes = constant(
    indices.builder,
    Int32Array.from({ length: depth }, (_, i) => i),
  );
  return cast(equal(reshape(indices, [...indices.shape, 1]), classes), 'f32');
}

/** NaN and zeros are their own signs. */
function signOf(x: Tensor): Tensor {
  return where(greater(x, 0), 1, where(less(x, 0), -1, x));
}

/** NaN is not equal to 0. */
function isNotZero(x: Tensor): Tensor {
  const zero = constant(x.builder, x.dtype === 'i32' ? Int32Array.of(0) : Float64Array.of(0), []);
  return equal(cast(equal(x, zero), 'f32'), 0);
}

/** A comparison with NaN is false: the first choice keeps a NaN in `x`, the second one in `y`. */
function extreme(fn: 'max' | 'min', x: Tensor, y: Tensor): Tensor {
  const chosen = where(fn === 'max' ? less(x, y) : greater(x, y), y, x);
  return where(equal(y, y), chosen, y);
}
