import { opCases, traceCase } from '@kora-bench/conformance';
import type {
  BinaryFn,
  CompareFn,
  CompositeOp,
  PrimitiveOp,
  ReduceFn,
  UnaryFn,
} from '@kora-bench/core/graph';
import { compositeKinds } from '@kora-bench/core/ops';
import { describe, expect, it } from 'vitest';

const cases = Object.values(opCases).flat();

/** Every primitive with its functions, if it has any; the compiler asks for a new one. */
const primitives: Readonly<Record<PrimitiveOp['kind'], readonly string[]>> = {
  unary: Object.keys({
    neg: 0,
    exp: 0,
    log: 0,
    sqrt: 0,
    tanh: 0,
    erf: 0,
    abs: 0,
    sign: 0,
    reciprocal: 0,
  } satisfies Record<UnaryFn, number>),
  binary: Object.keys({ add: 0, sub: 0, mul: 0, div: 0, max: 0, min: 0, pow: 0 } satisfies Record<
    BinaryFn,
    number
  >),
  compare: Object.keys({ equal: 0, less: 0, greater: 0 } satisfies Record<CompareFn, number>),
  reduce: Object.keys({ sum: 0, mean: 0, max: 0 } satisfies Record<ReduceFn, number>),
  where: [],
  cast: [],
  matmul: [],
  reshape: [],
  transpose: [],
  broadcast: [],
  slice: [],
  pad: [],
  concat: [],
  oneHot: [],
};

describe('the cases', () => {
  it('cover every function of every primitive, and every composite with its gradients', () => {
    const covered = new Set<string>();
    for (const { program } of cases.map(traceCase)) {
      for (const { op } of program.nodes) covered.add('fn' in op ? `${op.kind}.${op.fn}` : op.kind);
    }
    const wanted = Object.entries(primitives).flatMap(([kind, fns]) =>
      fns.length === 0 ? [kind] : fns.map((fn) => `${kind}.${fn}`),
    );
    const composites: readonly CompositeOp['kind'][] = compositeKinds;
    expect([...wanted, ...composites].filter((name) => !covered.has(name))).toEqual([]);
  });

  it('have names of their own', () => {
    const names = cases.map(({ name }) => name);
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
  });

  it('give the same inputs every time', () => {
    const softmax = cases.find(({ name }) => name === 'softmax')!;
    expect(traceCase(softmax).feeds).toEqual(traceCase(softmax).feeds);
  });
});
