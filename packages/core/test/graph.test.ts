import { InternalError, KoraError, ShapeError } from '@kora-bench/core/errors';
import { GraphBuilder } from '@kora-bench/core/graph';
import {
  add,
  concat,
  constant,
  crossEntropy,
  equal,
  erf,
  layerNorm,
  linear,
  matmul,
  mul,
  narrow,
  pad,
  reshape,
  scaledDotProductAttention,
  slice,
  softmax,
  sum,
  tanh,
  transpose,
  where,
} from '@kora-bench/core/ops';
import { makeProgram } from '@kora-bench/core/passes';
import { describe, expect, it } from 'vitest';

/** The error that `body` throws; the test fails if it throws none. */
function errorOf(body: () => unknown): KoraError {
  try {
    body();
  } catch (error) {
    if (error instanceof KoraError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

const builder = () => new GraphBuilder();

describe('GraphBuilder', () => {
  it('makes equal expressions one node and different ones two', () => {
    const b = builder();
    const [x, y] = [b.feed('x', [3]), b.feed('y', [3])];
    expect(add(x, y).id).toBe(add(x, y).id);
    expect(add(x, y).id).not.toBe(add(y, x).id);
    expect(mul(x, 2).id).not.toBe(mul(x, 3).id);
    expect(sum(x, { keepDims: true }).id).not.toBe(sum(x).id);
    expect(b.feed('x', [3]).id).toBe(x.id);
    expect(b.state('x', [3]).id).not.toBe(x.id);
  });

  it('keeps constants of different dtype, shape or content apart', () => {
    const b = builder();
    const ids = [
      constant(b, Float64Array.of(1, 2)),
      constant(b, Float64Array.of(1, 3)),
      constant(b, Int32Array.of(1, 2)),
      constant(b, Float64Array.of(1, 2), [2, 1]),
    ].map(({ id }) => id);
    expect(new Set(ids).size).toBe(4);
    expect(constant(b, Float64Array.of(1, 2)).id).toBe(ids[0]);
    expect(constant(b, Number.NaN).id).toBe(constant(b, Number.NaN).id);
    expect(constant(b, -0).id).not.toBe(constant(b, 0).id);
  });

  it('tells large constants apart by a single element', () => {
    const b = builder();
    const table = Float32Array.from({ length: 1 << 16 }, (_, i) => i);
    const first = constant(b, table);
    expect(constant(b, table.slice()).id).toBe(first.id);
    expect(constant(b, table.with(1 << 15, 0)).id).not.toBe(first.id);
  });

  it('nests scopes and restores them after an error', () => {
    const b = builder();
    const x = b.feed('x', [3]);
    b.withScope('blocks.0', () => b.withScope('attn', () => tanh(x)));
    expect(() =>
      b.withScope('broken', () => {
        throw new Error('stop');
      }),
    ).toThrow('stop');
    erf(x);
    expect(b.nodes.map(({ scope }) => scope)).toEqual(['', 'blocks.0.attn', '']);
  });

  it('refuses a second declaration of a name with another shape or dtype', () => {
    const b = builder();
    b.feed('labels', [4], 'i32');
    expect(errorOf(() => b.feed('labels', [5], 'i32'))).toMatchObject({
      code: 'SHAPE',
      expected: 'i32 [4]',
      received: 'i32 [5]',
    });
    expect(errorOf(() => b.feed('labels', [4]))).toMatchObject({ code: 'SHAPE', received: 'f32 [4]' });
  });

  it('refuses operands of another graph', () => {
    const [x, y] = [builder().feed('x', [3]), builder().feed('x', [3])];
    expect(() => add(x, y)).toThrow(InternalError);
  });

  it('makes programs of what their outputs and updates need alone, inputs first', () => {
    const b = builder();
    const [x, w] = [b.feed('x', [3]), b.state('w', [3])];
    b.feed('unused', [9]);
    tanh(mul(x, 5));
    const program = makeProgram({ y: add(x, w) }, { w: mul(w, 2) });
    expect(program.nodes.map(({ op }) => op.kind)).toEqual(['feed', 'state', 'binary', 'constant', 'binary']);
    for (const node of program.nodes) for (const input of node.inputs) expect(input).toBeLessThan(node.id);
    expect([...program.outputs.keys(), ...program.updates.keys()]).toEqual(['y', 'w']);
  });
});

describe('an op that cannot be', () => {
  it.each<[string, (b: GraphBuilder) => unknown]>([
    ['add of shapes that do not broadcast', (b) => add(b.feed('x', [3]), b.feed('y', [4]))],
    ['where of shapes that do not broadcast', (b) => where(b.feed('c', [2], 'bool'), b.feed('x', [3]), 0)],
    ['matmul of other inner extents', (b) => matmul(b.feed('x', [2, 3]), b.feed('y', [4, 2]))],
    ['matmul of vectors', (b) => matmul(b.feed('x', [3]), b.feed('y', [3]))],
    [
      'matmul of batches that do not broadcast',
      (b) => matmul(b.feed('x', [2, 3, 3]), b.feed('y', [4, 3, 3])),
    ],
    [
      'matmul whose transpose does not fit',
      (b) => matmul(b.feed('x', [2, 3]), b.feed('y', [3, 2]), { transposeB: true }),
    ],
    ['linear with a transposed weight', (b) => linear(b.feed('x', [2, 3]), b.frozen('w', [3, 5]))],
    [
      'linear with a bias of another width',
      (b) => linear(b.feed('x', [2, 3]), b.frozen('w', [5, 3]), b.frozen('b', [3])),
    ],
    [
      'layerNorm with a gamma of another width',
      (b) => layerNorm(b.feed('x', [2, 3]), b.frozen('g', [2]), b.frozen('b', [3]), 1e-6),
    ],
    ['softmax of a scalar', (b) => softmax(b.feed('x', []))],
    ['reshape to another size', (b) => reshape(b.feed('x', [2, 3]), [4, 2])],
    ['reshape whose free extent would be a fraction', (b) => reshape(b.feed('x', [2, 3]), [4, -1])],
    ['transpose by no permutation', (b) => transpose(b.feed('x', [2, 3]), [0, 0])],
    ['slice beyond the end', (b) => slice(b.feed('x', [3]), [1], [4])],
    ['slice of nothing', (b) => narrow(b.feed('x', [3]), 0, 2, 2)],
    ['slice along no axis', (b) => narrow(b.feed('x', [3]), 1, 0, 1)],
    ['pad by less than nothing', (b) => pad(b.feed('x', [3]), [-1], [0])],
    ['concat of other extents', (b) => concat([b.feed('x', [2, 3]), b.feed('y', [2, 4])], 0)],
    ['concat of nothing', () => concat([], 0)],
    ['sum over no axis of the tensor', (b) => sum(b.feed('x', [2, 3]), { axes: [2] })],
    ['crossEntropy of other batches', (b) => crossEntropy(b.feed('x', [2, 3]), b.feed('y', [3], 'i32'))],
    [
      'attention whose keys have another width',
      (b) =>
        scaledDotProductAttention(b.feed('q', [2, 5, 4]), b.feed('k', [2, 5, 3]), b.feed('v', [2, 5, 4]), 1),
    ],
    [
      'attention whose values have another length',
      (b) =>
        scaledDotProductAttention(b.feed('q', [2, 5, 4]), b.feed('k', [2, 6, 4]), b.feed('v', [2, 5, 4]), 1),
    ],
    [
      'attention whose batches differ',
      (b) =>
        scaledDotProductAttention(b.feed('q', [2, 5, 4]), b.feed('k', [1, 5, 4]), b.feed('v', [1, 5, 4]), 1),
    ],
    ['an empty feed', (b) => b.feed('x', [3, 0])],
    ['an empty constant', (b) => constant(b, new Float32Array(0))],
    ['a feed with a fractional extent', (b) => b.feed('x', [1.5])],
    ['a constant that does not fill its shape', (b) => constant(b, Float32Array.of(1, 2), [3])],
  ])('%s is a ShapeError that says what was expected and what came', (_name, build) => {
    const error = errorOf(() => build(builder()));
    expect(error).toBeInstanceOf(ShapeError);
    expect(error.expected).toBeTruthy();
    expect(error.received).toBeTruthy();
  });

  it.each<[string, (b: GraphBuilder) => unknown]>([
    ['tanh of integers', (b) => tanh(b.feed('x', [3], 'i32'))],
    ['add of a number and a mask', (b) => add(b.feed('x', [3]), b.feed('y', [3], 'bool'))],
    ['equal of different dtypes', (b) => equal(b.feed('x', [3]), b.feed('y', [3], 'i32'))],
    ['where with a condition that is a number', (b) => where(b.feed('c', [3]), b.feed('x', [3]), 0)],
    ['sum of a mask', (b) => sum(b.feed('x', [3], 'bool'))],
    ['crossEntropy with labels that are real', (b) => crossEntropy(b.feed('x', [2, 3]), b.feed('y', [2]))],
    ['an elementwise op of two numbers', () => add(1, 2)],
  ])('%s is a DTypeError', (_name, build) => {
    expect(errorOf(() => build(builder()))).toMatchObject({ code: 'DTYPE' });
  });

  it('is blamed on the line that called it', () => {
    const { where: line, explain } = errorOf(() =>
      matmul(builder().feed('x', [2, 3]), builder().feed('y', [2, 3])),
    );
    expect(line).toContain('graph.test.ts');
    expect(explain).toBeTypeOf('function');
  });
});
