import type { Program, Tensor } from '@kora-bench/core/graph';
import { GraphBuilder } from '@kora-bench/core/graph';
import { add, exp, layerNorm, matmul, mul, sum } from '@kora-bench/core/ops';
import { makeProgram } from '@kora-bench/core/passes';
import { defaultAdamW, optimizerUpdate } from '@kora-bench/core/training';
import { describe, expect, it } from 'vitest';
import { arrangeProgram, lowerProgram } from '../src/compile/prepare-program.js';
import { planKernels } from '../src/plan/plan-kernels.js';

/** What each kernel stores, as the numbers of its outputs' nodes. */
function kernelsOf(program: Program, mostBuffers: number) {
  const arranged = arrangeProgram(lowerProgram(program));
  const { kernels, stored } = planKernels(arranged, mostBuffers - 1, 'f32');
  return { arranged, stored, outputs: kernels.map(({ outputs }) => outputs.map(({ root }) => root)) };
}

function adamW(scaled: (gradient: Tensor, builder: GraphBuilder) => Tensor): Program {
  const builder = new GraphBuilder();
  const parameters = builder.state('parameters', [4096]);
  const gradient = scaled(builder.feed('gradient', [4096]), builder);
  return makeProgram({}, optimizerUpdate(defaultAdamW, parameters, gradient));
}

it('updates parameters and moments of AdamW in one kernel', () => {
  const { arranged, outputs } = kernelsOf(
    adamW((gradient) => gradient),
    10,
  );
  expect(outputs).toHaveLength(1);
  expect(new Set(outputs[0])).toEqual(new Set(arranged.updates.values()));
});

it('needs two where the gradient is scaled and ten buffers do not suffice, and stores no scaled gradient', () => {
  const { arranged, stored, outputs } = kernelsOf(
    adamW((gradient, builder) => mul(gradient, builder.feed('scale', []))),
    10,
  );
  expect(outputs).toHaveLength(2);
  expect(new Set(outputs.flat())).toEqual(new Set(arranged.updates.values()));
  const computed = [...stored].filter((id) => arranged.nodes[id]!.inputs.length > 0);
  expect(new Set(computed)).toEqual(new Set(arranged.updates.values()));
});

it('does not put a value off behind a kernel that reads it', () => {
  const x = new GraphBuilder().feed('x', [4096]);
  const a = exp(x);
  const total = sum(a);
  // b needs the total of a, so a cannot be computed together with b.
  const { arranged, outputs } = kernelsOf(makeProgram({ a, b: add(a, total) }), 10);
  const [first, last] = ['a', 'b'].map((name) => arranged.outputs.get(name)!);
  expect(outputs[0]).toEqual([first]);
  expect(outputs.at(-1)).toEqual([last]);
});

describe('a layer norm in front of a narrow product', () => {
  /** Kernels of layerNorm(x) · a, [4, 64] · [64, columns]. */
  const kernels = (columns: number, a: (builder: GraphBuilder, shape: number[]) => Tensor) => {
    const builder = new GraphBuilder();
    const vector = () => builder.frozen(`v${columns}`, [64]);
    const y = layerNorm(builder.feed('x', [4, 64]), vector(), vector(), 1e-6);
    const program = makeProgram({ y, u: matmul(y, a(builder, [64, columns])) });
    return kernelsOf(program, 10).outputs.map((roots) => roots.length);
  };
  const trained = (builder: GraphBuilder, shape: number[]) => builder.state('a', shape);

  it('computes the product too', () => {
    expect(kernels(8, trained)).toEqual([2]);
  });

  it('leaves wide products alone', () => {
    expect(kernels(32, trained)).toEqual([1, 1]);
  });

  it('leaves products alone whose other matrix is computed', () => {
    expect(kernels(8, (builder, shape) => exp(trained(builder, shape)))).toHaveLength(3);
  });
});
