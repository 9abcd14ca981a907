import type { GraphNode, Shape, Tensor } from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';
import { pad, reshape } from '@kora-bench/core/ops';
import type { Visit } from '@kora-bench/core/passes';
import type { EngineTraits } from './engine-traits.js';

/** Computes with fewer axes what kernels get wrong beyond some rank. */
export function lowerRanks({ largestRank }: EngineTraits): Visit {
  return (node, inputs) => {
    if (node.shape.length <= largestRank) return undefined;
    switch (node.op.kind) {
      case 'binary':
      case 'compare':
      case 'where':
        return mergeAxes(node, inputs);
      case 'pad':
        return padAxisByAxis(node.op, inputs[0]!);
      default:
        return undefined;
    }
  };
}

/** Neighbouring axes become one where each operand has both whole, or neither. */
function mergeAxes({ op, shape }: GraphNode, inputs: readonly Tensor[]): Tensor {
  const aligned = inputs.map((x) => [...Array<number>(shape.length - x.rank).fill(1), ...x.shape]);
  const merged: number[][] = aligned.map(() => []);
  let result: number[] = [];
  shape.forEach((extent, axis) => {
    const joins =
      axis > 0 &&
      aligned.every((own) => (own[axis] === extent) === (own[axis - 1] === shape[axis - 1]) || extent === 1);
    aligned.forEach((own, i) => {
      if (joins) merged[i]![merged[i]!.length - 1]! *= own[axis]!;
      else merged[i]!.push(own[axis]!);
    });
    result = joins ? [...result.slice(0, -1), result.at(-1)! * extent] : [...result, extent];
  });
  const { builder } = inputs[0]!;
  const operands = inputs.map((x, i) => reshape(x, merged[i]!));
  return reshape(builder.emit(op, operands), shape);
}

function padAxisByAxis(
  { before, after }: { readonly before: readonly number[]; readonly after: readonly number[] },
  x: Tensor,
): Tensor {
  return x.shape.reduce((padded, extent, axis) => {
    if (before[axis] === 0 && after[axis] === 0) return padded;
    const parts: Shape = [sizeOf(padded.shape.slice(0, axis)), extent, sizeOf(padded.shape.slice(axis + 1))];
    const one = pad(reshape(padded, parts), [0, before[axis]!, 0], [0, after[axis]!, 0]);
    return reshape(one, [...padded.shape.slice(0, axis), one.shape[1]!, ...padded.shape.slice(axis + 1)]);
  }, x);
}
