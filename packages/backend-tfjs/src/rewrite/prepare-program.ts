import type { CompositeKind, Program } from '@kora-bench/core/graph';
import { sameShape } from '@kora-bench/core/graph';
import { broadcastTo, linear, matmul, reshape } from '@kora-bench/core/ops';
import type { Visit } from '@kora-bench/core/passes';
import {
  floatScales,
  lowerComposites,
  mergeLowRank,
  rewriteProgram,
  simplify,
  stackParallel,
} from '@kora-bench/core/passes';
import type { EngineTraits } from './engine-traits.js';
import { exactValues } from './exact-values.js';
import { fitProducts } from './fit-products.js';
import { lowerRanks } from './lower-ranks.js';

/** Composites that engines of tfjs have kernels for. */
const native = ['linear', 'softmax'] as const satisfies readonly CompositeKind[];
export type NativeKind = (typeof native)[number];

/** A program as an engine is to run it: every node is a kernel or a few. */
export function prepareProgram(given: Program, traits: EngineTraits): Program {
  const merged = mergeLowRank(rewriteProgram(given, simplify));
  const lowered = rewriteProgram(floatScales(lowerComposites(merged, new Set(native))), simplify);
  const stacked = stackParallel(lowered);
  const exact = rewriteProgram(rewriteProgram(stacked, exactValues(traits)), repeatOperands);
  const flat = rewriteProgram(exact, flattenRows(traits));
  const fitted = rewriteProgram(flat, fitProducts(traits));
  return rewriteProgram(rewriteProgram(rewriteProgram(fitted, simplify), alignRanks), lowerRanks(traits));
}

/** The fused product takes matrices, and only helps where there is a bias and the engine fuses it. */
function flattenRows({ fusesBias }: EngineTraits): Visit {
  return (node, [x, weight, bias], builder) => {
    const { op, shape } = node;
    if (op.kind !== 'linear') return undefined;
    const rows = reshape(x!, [-1, x!.shape.at(-1)!]);
    if (bias !== undefined && fusesBias) return reshape(linear(rows, weight!, bias), shape);
    const product = matmul(rows, weight!, { transposeB: true });
    const sum = bias === undefined ? product : builder.emit({ kind: 'binary', fn: 'add' }, [product, bias]);
    return reshape(sum, shape);
  };
}

/** The kernel of `where` takes operands of its result's shape. */
const repeatOperands: Visit = ({ op, shape }, inputs, builder) =>
  op.kind === 'where' && inputs.some((input) => !sameShape(input.shape, shape))
    ? builder.emit(
        op,
        inputs.map((input) => broadcastTo(input, shape)),
      )
    : undefined;

/** The kernel that repeats a value takes one of its result's rank. */
const alignRanks: Visit = ({ op, shape }, [x]) => {
  if (op.kind !== 'broadcast' || x!.rank === shape.length) return undefined;
  return broadcastTo(reshape(x!, [...Array<number>(shape.length - x!.rank).fill(1), ...x!.shape]), shape);
};
