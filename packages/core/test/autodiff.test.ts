import { gradients } from '@kora-bench/core/autodiff';
import { ShapeError } from '@kora-bench/core/errors';
import type { GraphNode, Tensor } from '@kora-bench/core/graph';
import { GraphBuilder } from '@kora-bench/core/graph';
import {
  add,
  cast,
  equal,
  gelu,
  layerNorm,
  linear,
  mean,
  mul,
  scaledDotProductAttention,
  sign,
  sum,
  tanh,
  where,
} from '@kora-bench/core/ops';
import { makeProgram } from '@kora-bench/core/passes';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

/** Nodes of a kind that `roots` need. */
function needed(roots: readonly Tensor[], ...kinds: string[]): GraphNode[] {
  const program = makeProgram(Object.fromEntries(roots.map((root, i) => [`y${i}`, root])));
  return program.nodes.filter(({ op }) => kinds.includes(op.kind));
}

/** `depth` layers of tanh(x·Wᵀ), of which those in `trainable` have weights in the state. Width 4. */
function layers(
  builder: GraphBuilder,
  depth: number,
  trainable: ReadonlySet<number>,
): { loss: Tensor; weights: Tensor[] } {
  let x = builder.feed('x', [3, 4]);
  const weights: Tensor[] = [];
  for (let i = 0; i < depth; i++) {
    const weight = trainable.has(i) ? builder.state(`w${i}`, [4, 4]) : builder.frozen(`w${i}`, [4, 4]);
    weights.push(weight);
    x = tanh(linear(x, weight));
  }
  return { loss: mean(mul(x, x)), weights };
}

describe('gradients', () => {
  it('have the shapes of what they belong to', () => {
    const builder = new GraphBuilder();
    const [x, scalar, row] = [builder.feed('x', [2, 3]), builder.feed('s', []), builder.feed('r', [1, 3])];
    const found = gradients(sum(mul(add(x, scalar), row)), [x, scalar, row]);
    expect(found.map((gradient) => gradient!.shape)).toEqual([[2, 3], [], [1, 3]]);
  });

  it('are undefined where the loss does not depend on the tensor, or not differentiably', () => {
    const builder = new GraphBuilder();
    const [x, other, stepped] = [
      builder.feed('x', [3]),
      builder.feed('other', [3]),
      builder.feed('stepped', [3]),
    ];
    const mask = cast(equal(stepped, 0), 'f32');
    const loss = sum(add(mul(x, mask), sign(stepped)));
    tanh(other);
    const [dx, dOther, dStepped] = gradients(loss, [x, other, stepped]);
    expect(dx).toBeDefined();
    expect(dOther).toBeUndefined();
    expect(dStepped).toBeUndefined();
  });

  it('reach intermediate values and the loss itself', () => {
    const builder = new GraphBuilder();
    const x = builder.feed('x', [3]);
    const middle = tanh(x);
    const loss = sum(middle);
    const found = gradients(loss, [x, middle, loss]);
    expect(found.map((gradient) => gradient!.shape)).toEqual([[3], [3], []]);
  });

  it('are only taken of scalars', () => {
    const x = new GraphBuilder().feed('x', [3]);
    expect(() => gradients(tanh(x), [x])).toThrow(ShapeError);
  });

  it('do not pass through the condition of where', () => {
    const builder = new GraphBuilder();
    const [x, y] = [builder.feed('x', [3]), builder.feed('y', [3])];
    const loss = sum(where(equal(x, y), tanh(y), 0));
    const [dx, dy] = gradients(loss, [x, y]);
    expect(dx).toBeUndefined();
    expect(dy).toBeDefined();
  });

  it('name the scope that they belong to', () => {
    const builder = new GraphBuilder();
    const x = builder.feed('x', [3]);
    const loss = builder.withScope('head', () => sum(tanh(x)));
    const [dx] = gradients(loss, [x]);
    expect(builder.node(dx!.id).scope).toBe('backward.head');
  });
});

describe('frozen layers', () => {
  it('get no weight gradient, and no adjoint below the lowest trainable one, for any choice of layers', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.array(fc.nat(5), { minLength: 1 }), (depth, picks) => {
        const trainable = new Set(picks.map((pick) => pick % depth));
        const { loss, weights } = layers(new GraphBuilder(), depth, trainable);
        const found = gradients(
          loss,
          weights.filter((_, i) => trainable.has(i)),
        );
        const products = needed(
          found.map((gradient) => gradient!),
          'matmul',
        );
        // One product per trainable weight, one per layer that an adjoint passes through.
        expect(products.length).toBe(trainable.size + depth - 1 - Math.min(...trainable));
      }),
    );
  });

  it('get no gradient of gamma, beta, k or v where only x or q is trained', () => {
    const builder = new GraphBuilder();
    const [q, k, v] = [
      builder.state('q', [2, 3, 4]),
      builder.frozen('k', [2, 3, 4]),
      builder.frozen('v', [2, 3, 4]),
    ];
    const [gamma, beta] = [builder.frozen('gamma', [4]), builder.frozen('beta', [4])];
    const loss = sum(layerNorm(scaledDotProductAttention(q, k, v, 0.5), gamma, beta, 1e-6));
    const [dq] = gradients(loss, [q]);
    const adjoints = needed([dq!], 'attentionGrad', 'layerNormGrad');
    expect(adjoints.map(({ op }) => (op.kind === 'attentionGrad' ? op.wrt : op.kind))).toEqual([
      'layerNormGrad',
      'q',
    ]);
    expect(builder.nodes.filter(({ op }) => op.kind === 'attentionGrad').length).toBe(1);
  });

  it('leave no node behind for branches that nothing trainable feeds', () => {
    const builder = new GraphBuilder();
    const [x, w] = [builder.feed('x', [3, 4]), builder.state('w', [4])];
    const frozenBranch = gelu(linear(x, builder.frozen('f', [4, 4])));
    const loss = sum(mul(frozenBranch, w));
    const before = builder.nodes.length;
    gradients(loss, [w]);
    const made = builder.nodes.slice(before).map(({ op }) => op.kind);
    expect(made).not.toContain('geluGrad');
    expect(made).not.toContain('matmul');
  });
});
