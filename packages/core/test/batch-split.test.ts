import { gradients } from '@kora-bench/core/autodiff';
import type { Program, Tensor } from '@kora-bench/core/graph';
import { GraphBuilder, sizeOf } from '@kora-bench/core/graph';
import {
  add,
  blockDiagonal,
  broadcastTo,
  compositeKinds,
  concat,
  constant,
  crossEntropy,
  gelu,
  layerNorm,
  linear,
  max,
  mean,
  mul,
  narrow,
  reshape,
  scaledDotProductAttention,
  sub,
  sum,
  transpose,
} from '@kora-bench/core/ops';
import { batchOf, cutBatch, makeProgram, splitBatch } from '@kora-bench/core/passes';
import { describe, expect, it } from 'vitest';

/** A training step of a block of a transformer with a class token, on six examples. */
function trainingStep(): Program {
  const b = new GraphBuilder();
  const [batch, tokens, width] = [6, 3, 4];
  const trained = b.state('trained', [2 * width * width + 2 * width + 8]);
  const part = (start: number, shape: readonly number[]) =>
    reshape(narrow(trained, 0, start, start + sizeOf(shape)), shape);
  const w = part(0, [width, width]);
  const v = part(width * width, [width, width]);
  const gamma = part(2 * width * width, [width]);
  const beta = part(2 * width * width + width, [width]);
  const blocks = part(2 * width * width + 2 * width, [2, 2, 2]);
  const images = b.feed('images', [batch, tokens, width]);
  const cls = broadcastTo(reshape(b.frozen('cls', [width]), [1, 1, width]), [batch, 1, width]);
  const x = concat([cls, linear(images, w)], 1);
  const heads = (t: Tensor) => transpose(reshape(t, [batch, tokens + 1, 2, width / 2]), [0, 2, 1, 3]);
  const normal = layerNorm(x, gamma, beta, 1e-6);
  const mixed = scaledDotProductAttention(
    heads(linear(normal, v)),
    heads(blockDiagonal(normal, blocks)),
    heads(x),
    0.7,
  );
  const joined = reshape(transpose(mixed, [0, 2, 1, 3]), [batch, tokens + 1, width]);
  const logits = mean(gelu(add(joined, x)), { axes: [1] });
  const losses = crossEntropy(logits, b.feed('labels', [batch], 'i32'), 0.1);
  const loss = sum(mul(losses, b.feed('weight', [batch])));
  const gradient = gradients(loss, [trained])[0]!;
  const clipped = mul(gradient, b.feed('rate', []));
  return makeProgram(
    { loss, logits, worst: max(losses, { axes: [0] }), centred: sub(losses, mean(losses, { axes: [0] })) },
    { trained: sub(trained, clipped) },
  );
}

describe('splitBatch', () => {
  const program = trainingStep();

  it('leaves no composite outside of the parts', () => {
    const { outer, body } = splitBatch(program, cutBatch(program, 6, 2));
    const composites = ({ nodes }: Program) =>
      new Set(nodes.map(({ op }) => op.kind).filter((kind) => compositeKinds.includes(kind as never)));
    expect(composites(outer)).toEqual(new Set());
    expect(composites(body)).toEqual(composites(program));
    expect(composites(program).size).toBeGreaterThanOrEqual(9);
    expect(outer.nodes.filter(({ op }) => op.kind === 'matmul')).toEqual([]);
  });

  it('hands over nothing that the parts may compute anew', () => {
    const cut = cutBatch(program, 6, 2);
    expect(splitBatch(program, cut).shared).not.toEqual([]);
    const { outer, shared, blocks, body } = splitBatch(program, cut, () => true);
    expect(shared).toEqual([]);
    expect(blocks.map(({ outer: id }) => outer.nodes[id]!.op.kind)).toEqual(['feed', 'feed', 'feed']);
    expect(body.nodes.filter(({ op }) => op.kind === 'state')).toHaveLength(1);
  });

  it('computes every node in one place, and hands out each value once', () => {
    const cut = cutBatch(program, 6, 2);
    const { outer, body, sums, joined } = splitBatch(program, cut);
    const computed = ({ nodes }: Program) => nodes.filter(({ inputs }) => inputs.length > 0).length;
    expect(computed(outer) + computed(body)).toBe(computed(program));
    const results = [...sums, ...joined].map(({ output }) => output);
    expect(new Set(results).size).toBe(results.length);
    expect([...body.outputs.keys()].sort()).toEqual([...results].sort());
    const fed = outer.nodes.flatMap(({ op }) => (op.kind === 'feed' ? [op.name] : []));
    expect(results.filter((name) => !fed.includes(name))).toEqual([]);
  });

  it('finds no batch in a program whose feeds are scalars', () => {
    const b = new GraphBuilder();
    expect(batchOf(makeProgram({ y: add(b.feed('x', []), constant(b, 1)) }))).toBeUndefined();
  });
});
