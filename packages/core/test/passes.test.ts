import { gradients } from '@kora-bench/core/autodiff';
import type { Program, Tensor } from '@kora-bench/core/graph';
import { GraphBuilder, structuralHashes } from '@kora-bench/core/graph';
import type { ExampleAxis } from '@kora-bench/core/ops';
import {
  add,
  broadcastTo,
  compositeKinds,
  concat,
  constant,
  gelu,
  layerNorm,
  linear,
  matmul,
  mean,
  mul,
  narrow,
  pad,
  pow,
  reshape,
  scaledDotProductAttention,
  softmax,
  sub,
  sum,
  tanh,
  transpose,
} from '@kora-bench/core/ops';
import {
  exampleAxes,
  floatScales,
  lowerComposites,
  makeProgram,
  mergeLinear,
  narrowEarly,
  peakLiveBytes,
  programCost,
  rewriteProgram,
  simplify,
} from '@kora-bench/core/passes';
import { describe, expect, it } from 'vitest';
import { evaluate } from './evaluate.js';

function kinds({ nodes }: Program): string[] {
  return nodes.map(({ op }) => op.kind);
}

/** What `simplify` makes of the single value that `build` makes. */
function simplified(build: (x: Tensor) => Tensor, shape: readonly number[] = [2, 3, 4]): Program {
  return rewriteProgram(makeProgram({ y: build(new GraphBuilder().feed('x', shape)) }), simplify);
}

describe('simplify', () => {
  it('folds what depends on constants alone', () => {
    const { nodes } = simplified((x) => {
      const table = constant(x.builder, Float64Array.of(1, 2, 3, 4));
      return mul(x, add(mul(table, 2), pow(table, 2)));
    });
    expect(nodes.map(({ op }) => op.kind)).toEqual(['feed', 'constant', 'binary']);
    expect(nodes[1]!.op).toMatchObject({ data: Float64Array.of(3, 8, 15, 24) });
  });

  it('keeps the dtype of a folded comparison', () => {
    const builder = new GraphBuilder();
    const table = constant(builder, Float64Array.of(1, 2));
    const mask = builder.emit({ kind: 'compare', fn: 'less' }, [table, constant(builder, 1.5)]);
    const [node] = rewriteProgram(makeProgram({ mask }), simplify).nodes;
    expect(node).toMatchObject({ dtype: 'bool', op: { kind: 'constant', data: Uint8Array.of(1, 0) } });
  });

  it.each<[string, (x: Tensor) => Tensor]>([
    ['x·1', (x) => mul(x, 1)],
    ['1·x', (x) => mul(1, x)],
    ['x + 0', (x) => add(x, 0)],
    ['0 + x', (x) => add(0, x)],
    ['x − 0', (x) => sub(x, 0)],
    ['x¹', (x) => pow(x, 1)],
    ['a transpose and its inverse', (x) => transpose(transpose(x, [2, 0, 1]), [1, 2, 0])],
    [
      'cutting and joining again',
      (x) =>
        concat(
          [0, 1, 2].map((i) => narrow(x, 1, i, i + 1)),
          1,
        ),
    ],
    ['a reshape and its inverse', (x) => reshape(reshape(x, [4, 6]), [2, 3, 4])],
  ])('drops %s', (_name, build) => {
    expect(kinds(simplified(build))).toEqual(['feed']);
  });

  it.each<[string, (x: Tensor) => Tensor, readonly number[]]>([
    [
      'a one that broadcasts',
      (x) => mul(x, constant(x.builder, Float64Array.of(1), [1, 1, 1, 1])),
      [1, 2, 3, 4],
    ],
    [
      'a scale of a scale that broadcasts',
      (x) => mul(mul(x, 3), constant(x.builder, Float64Array.of(2), [1, 1, 1, 1])),
      [1, 2, 3, 4],
    ],
    ['0 − x', (x) => sub(0, x), [2, 3, 4]],
  ])('keeps %s', (_name, build, shape) => {
    const program = simplified(build);
    expect(program.nodes[program.outputs.get('y')!]!.shape).toEqual(shape);
    expect(kinds(program)).toContain('binary');
  });

  it('merges scales, layouts and broadcasts that follow each other', () => {
    const scaled = simplified((x) => mul(0.5, mul(mul(x, 3), 4)));
    expect(kinds(scaled)).toEqual(['feed', 'constant', 'binary']);
    expect(scaled.nodes[1]!.op).toMatchObject({ data: Float64Array.of(6) });

    const turned = simplified((x) => transpose(transpose(x, [1, 2, 0]), [1, 2, 0]));
    expect(turned.nodes.at(-1)!.op).toEqual({ kind: 'transpose', perm: [2, 0, 1] });
    expect(kinds(simplified((x) => reshape(reshape(x, [24]), [6, 4])))).toEqual(['feed', 'reshape']);
    const grown = simplified((x) => broadcastTo(broadcastTo(x, [5, 2, 3, 4]), [7, 5, 2, 3, 4]));
    expect(kinds(grown)).toEqual(['feed', 'broadcast']);
  });
});

describe('sums of padded parts', () => {
  it('become one concatenation, as in the gradient of a value cut into slices', () => {
    const b = new GraphBuilder();
    const x = b.feed('x', [2, 9]);
    const [q, k, v] = [0, 1, 2].map((i) => narrow(x, 1, 3 * i, 3 * i + 3));
    const [dx] = gradients(sum(mul(mul(q!, k!), v!)), [x]);
    const program = rewriteProgram(makeProgram({ dx: dx! }), simplify);
    expect(kinds(program).filter((kind) => kind === 'concat')).toHaveLength(1);
    expect(kinds(program)).not.toContain('pad');
    expect(program.nodes[program.outputs.get('dx')!]!.shape).toEqual([2, 9]);
  });

  it.each<[string, (b: GraphBuilder) => Tensor]>([
    ['overlap', (b) => add(pad(b.feed('x', [3]), [1], [0]), pad(b.feed('y', [3]), [0], [1]))],
    ['leave a gap', (b) => add(pad(b.feed('x', [3]), [5], [0]), pad(b.feed('y', [3]), [0], [5]))],
    [
      'broadcast',
      (b) => add(pad(b.feed('x', [1, 3]), [0, 3], [0, 0]), pad(b.feed('y', [2, 3]), [0, 0], [0, 3])),
    ],
    [
      'have different ranks',
      (b) => add(pad(b.feed('x', [3]), [3], [0]), pad(b.feed('y', [3, 6]), [0, 0], [3, 0])),
    ],
  ])('stay as they are where they %s', (_name, build) => {
    const program = makeProgram({ y: build(new GraphBuilder()) });
    expect(kinds(rewriteProgram(program, simplify))).toEqual(kinds(program));
  });
});

describe('mean through linear', () => {
  const tokens = (b: GraphBuilder) => b.feed('x', [2, 197, 12]);

  it('pools tokens before a linear map, its bias and scale, and a residual', () => {
    const b = new GraphBuilder();
    const [x, residual] = [tokens(b), b.feed('r', [2, 197, 5])];
    const mapped = mul(linear(x, b.frozen('w', [5, 12]), b.frozen('bias', [5])), b.frozen('scale', [5]));
    const program = rewriteProgram(makeProgram({ y: mean(add(mapped, residual), { axes: [1] }) }), simplify);
    const large = program.nodes.filter(({ shape, op }) => shape.includes(197) && op.kind !== 'feed');
    expect(large).toEqual([]);
    expect(program.nodes[program.outputs.get('y')!]!.shape).toEqual([2, 5]);
  });

  it('stops at what is not linear in the tokens', () => {
    const b = new GraphBuilder();
    const activated = linear(gelu(tokens(b)), b.frozen('w', [5, 12]));
    const program = rewriteProgram(makeProgram({ y: mean(activated, { axes: [1] }) }), simplify);
    expect(program.nodes.find(({ op }) => op.kind === 'gelu')!.shape).toEqual([2, 197, 12]);
    expect(program.nodes.find(({ op }) => op.kind === 'linear')!.shape).toEqual([2, 5]);
  });

  it('does not move a mean over the mapped axis, nor one of a product of token values', () => {
    const b = new GraphBuilder();
    const mapped = linear(tokens(b), b.frozen('w', [5, 12]));
    const overFeatures = rewriteProgram(makeProgram({ y: mean(mapped, { axes: [2] }) }), simplify);
    expect(overFeatures.nodes.find(({ op }) => op.kind === 'linear')!.shape).toEqual([2, 197, 5]);
    const squares = rewriteProgram(makeProgram({ y: mean(mul(mapped, mapped), { axes: [1] }) }), simplify);
    expect(squares.nodes.find(({ op }) => op.kind === 'linear')!.shape).toEqual([2, 197, 5]);
  });
});

describe('rewriting', () => {
  it('drops dead code and merges equal expressions', () => {
    const b = new GraphBuilder();
    const x = b.feed('x', [3]);
    tanh(mul(x, 7));
    const program = rewriteProgram(makeProgram({ a: tanh(mul(x, 2)), b: add(tanh(mul(x, 2)), 1) }));
    expect(kinds(program)).toEqual(['feed', 'constant', 'binary', 'unary', 'constant', 'binary']);
  });

  it('merges what becomes equal by simplifying', () => {
    const program = simplified((x) => add(tanh(mul(x, 1)), tanh(x)));
    expect(kinds(program)).toEqual(['feed', 'unary', 'binary']);
    expect(program.nodes[2]!.inputs).toEqual([1, 1]);
  });

  it('keeps names of outputs and updates, and scopes', () => {
    const b = new GraphBuilder();
    const w = b.state('w', [3]);
    const y = b.withScope('head', () => tanh(mul(w, 1)));
    const program = rewriteProgram(makeProgram({ y, same: y }, { w: add(w, 1) }), simplify);
    expect([...program.outputs.keys()]).toEqual(['y', 'same']);
    expect(program.outputs.get('y')).toBe(program.outputs.get('same'));
    expect([...program.updates.keys()]).toEqual(['w']);
    expect(program.nodes[program.outputs.get('y')!]!.scope).toBe('head');
  });
});

describe('lowerComposites', () => {
  it('leaves native composites alone and lowers the others, those of lowerings included', () => {
    const b = new GraphBuilder();
    const x = b.feed('x', [2, 5, 4]);
    const y = scaledDotProductAttention(
      x,
      x,
      layerNorm(x, b.frozen('g', [4]), b.frozen('b', [4]), 1e-6),
      0.5,
    );
    const some = lowerComposites(makeProgram({ y }), new Set(['softmax']));
    expect(kinds(some).filter((kind) => (compositeKinds as readonly string[]).includes(kind))).toEqual([
      'softmax',
    ]);
    const all = lowerComposites(makeProgram({ y }), new Set());
    expect(kinds(all).filter((kind) => (compositeKinds as readonly string[]).includes(kind))).toEqual([]);
    const none = makeProgram({ y });
    expect(kinds(lowerComposites(none, new Set(compositeKinds)))).toEqual(kinds(none));
  });
});

describe('narrowEarly', () => {
  const classToken = (build: (x: Tensor) => Tensor) => {
    const x = new GraphBuilder().feed('x', [2, 197, 12]);
    return makeProgram({ y: narrowEarly([narrow(build(x), 1, 0, 1)])[0]! });
  };

  it('runs token-wise ops and the queries of attention on the tokens that are read', () => {
    const program = classToken((x) => {
      const b = x.builder;
      const attended = scaledDotProductAttention(x, x, x, 0.5);
      return add(x, gelu(linear(attended, b.frozen('w', [12, 12]))));
    });
    for (const kind of ['gelu', 'linear', 'attention', 'binary']) {
      expect(program.nodes.find(({ op }) => op.kind === kind)!.shape).toEqual([2, 1, 12]);
    }
  });

  it('does not cut what mixes tokens', () => {
    const program = classToken((x) => transpose(softmax(transpose(x, [0, 2, 1])), [0, 2, 1]));
    expect(program.nodes.find(({ op }) => op.kind === 'softmax')!.shape).toEqual([2, 12, 197]);
  });

  it('does not compute twice what is needed whole as well', () => {
    const x = new GraphBuilder().feed('x', [2, 197, 12]);
    const activated = gelu(x);
    const [part, whole] = narrowEarly([narrow(activated, 1, 0, 1), activated]);
    const program = makeProgram({ part: part!, whole: whole! });
    expect(kinds(program)).toEqual(['feed', 'gelu', 'slice']);
  });
});

describe('mergeLinear', () => {
  /** x·innerᵀ·outerᵀ + bias before and after the pass; from 4 columns to 5 over `wide`. */
  const chained = (rows: number, change: (hidden: Tensor) => Tensor = (hidden) => hidden, wide = 30) => {
    const b = new GraphBuilder();
    const hidden = change(linear(b.feed('x', [rows, 4]), b.state('inner', [wide, 4])));
    const y = linear(hidden, b.state('outer', [5, wide]), b.state('bias', [5]));
    return { before: makeProgram({ y }), after: makeProgram({ y: mergeLinear([y])[0]! }) };
  };

  it('multiplies narrow weights instead of making a wide value of many rows', () => {
    const { before, after } = chained(12);
    expect(after.nodes.filter(({ op, shape }) => op.kind !== 'state' && shape.includes(30))).toEqual([]);
    expect(programCost(after).flops).toBeLessThan(0.5 * programCost(before).flops);
    const [wanted, got] = [evaluate(before), evaluate(after)];
    expect(got).toHaveLength(12 * 5);
    for (const [i, value] of wanted.entries()) expect(got[i]).toBeCloseTo(value, 12);
  });

  it.each<[string, ReturnType<typeof chained>]>([
    ['the rows are few', chained(2)],
    ['something stands in between', chained(12, gelu)],
    ['the value in between is as narrow', chained(12, (hidden) => hidden, 5)],
  ])('leaves them apart where %s', (_name, { before, after }) => {
    expect(kinds(after)).toEqual(kinds(before));
  });

  it('leaves them apart where the wide value is read elsewhere too', () => {
    const b = new GraphBuilder();
    const hidden = linear(b.feed('x', [12, 4]), b.state('inner', [30, 4]));
    const y = linear(hidden, b.state('outer', [5, 30]));
    const [first, second] = mergeLinear([y, gelu(hidden)]);
    expect(kinds(makeProgram({ first: first!, second: second! }))).toEqual(
      kinds(makeProgram({ y, other: gelu(hidden) })),
    );
  });
});

describe('floatScales', () => {
  it('moves a factor behind layouts and sums, where fewer elements are multiplied', () => {
    const x = new GraphBuilder().feed('x', [2, 3, 4]);
    const given = makeProgram({ y: sum(reshape(mul(x, 0.3), [6, 4]), { axes: [0] }) });
    const moved = floatScales(given);
    const multiplied = moved.nodes.filter(({ op }) => op.kind === 'binary');
    expect(multiplied.map(({ shape }) => shape)).toEqual([[4]]);
    const got = evaluate(moved);
    for (const [i, value] of evaluate(given).entries()) expect(got[i]).toBeCloseTo(value, 12);
  });
});

describe('exampleAxes', () => {
  const axisOf = (build: (x: Tensor) => Tensor, shape: readonly number[] = [8, 3, 4]) => {
    const x = new GraphBuilder().feed('x', shape);
    const y = build(x);
    return exampleAxes(x.builder, new Set(['x']))[y.id];
  };
  const square = (x: Tensor) => x.builder.frozen('w', [x.shape.at(-1)!, x.shape.at(-1)!]);

  it.each<[string, (x: Tensor) => Tensor, ExampleAxis]>([
    ['an elementwise op', tanh, 0],
    ['an op with a frozen value of higher rank', (x) => add(x, x.builder.frozen('f', [5, 1, 1, 1])), 1],
    ['a map of the features', (x) => linear(x, square(x)), 0],
    ['a mean over tokens', (x) => mean(x, { axes: [1] }), 0],
    ['a transpose', (x) => transpose(x, [2, 0, 1]), 1],
    ['a reshape that joins tokens and features', (x) => reshape(x, [8, 12]), 0],
    ['a reshape that joins examples and tokens', (x) => reshape(x, [24, 4]), 'mixed'],
    ['a mean over examples', (x) => mean(x, { axes: [0] }), 'mixed'],
    ['a softmax over examples', (x) => softmax(transpose(x)), 'mixed'],
    [
      'a product of examples with each other',
      (x) => matmul(reshape(x, [8, 12]), reshape(x, [8, 12]), { transposeB: true }),
      'mixed',
    ],
    ['a slice of the examples', (x) => narrow(x, 0, 0, 4), 'mixed'],
    ['a value of weights alone', (x) => tanh(square(x)), 'none'],
  ])('%s', (_name, build, expected) => {
    expect(axisOf(build)).toBe(expected);
  });

  it('a single example that is repeated along its own axis', () => {
    expect(axisOf((x) => broadcastTo(x, [5, 3, 4]), [1, 3, 4])).toBe('mixed');
    expect(axisOf((x) => add(x, x.builder.frozen('f', [5, 1, 1])), [1, 3, 4])).toBe('mixed');
    expect(axisOf((x) => add(x, x.builder.frozen('f', [1, 1, 4])), [1, 3, 4])).toBe(0);
    expect(axisOf((x) => matmul(x, x.builder.frozen('f', [5, 4, 2])), [1, 3, 4])).toBe('mixed');
  });
});

describe('analyses', () => {
  it('structural hashes are equal for equal expressions of different graphs, and only for them', () => {
    const hashOf = (factor: number, name = 'x') => {
      const b = new GraphBuilder();
      if (name === 'x') b.feed('first', [1]);
      const y = tanh(mul(b.feed(name, [3]), factor));
      return structuralHashes(b).get(y.id);
    };
    const twice = hashOf(2);
    expect(twice).toMatch(/^[0-9a-f]{26}$/);
    expect(hashOf(2)).toBe(twice);
    expect(hashOf(3)).not.toBe(twice);
    expect(hashOf(2, 'other')).not.toBe(twice);
  });

  it('peak memory counts values that live at the same time, not all of them', () => {
    const b = new GraphBuilder();
    let y = b.feed('x', [100]);
    for (let i = 0; i < 5; i++) y = tanh(y);
    expect(peakLiveBytes(b, [y.id])).toBe(2 * 400);
    const first = tanh(b.feed('x', [100]));
    expect(peakLiveBytes(b, [y.id, first.id])).toBe(3 * 400);
  });
});
