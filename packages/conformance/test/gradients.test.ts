import type { CaseInputs, Differentiable } from '@kora-bench/conformance';
import {
  awayFromZero,
  binaryOps,
  booleans,
  compareTensors,
  createOracle,
  digits,
  finiteDifferenceErrors,
  integers,
  normal,
  runTraced,
  traceCase,
  unaryOps,
  uniform,
} from '@kora-bench/conformance';
import { gradients } from '@kora-bench/core/autodiff';
import type { Shape, Tensor } from '@kora-bench/core/graph';
import {
  add,
  broadcastTo,
  cast,
  concat,
  crossEntropy,
  gelu,
  greater,
  layerNorm,
  less,
  linear,
  matmul,
  max,
  mean,
  mul,
  narrow,
  pad,
  reshape,
  scaledDotProductAttention,
  slice,
  softmax,
  sum,
  transpose,
  where,
} from '@kora-bench/core/ops';
import { describe, expect, it } from 'vitest';

type Exemplar = readonly [name: string, build: (inputs: CaseInputs) => Differentiable];

/** Central differences leave about 1e-10 of the largest gradient; a wrong rule is off by far more. */
const tolerance = 2e-8;

function expectGradients(group: string, exemplars: readonly Exemplar[]): void {
  describe(group, () => {
    it.each(exemplars)('%s', async (name, build) => {
      for (const { input, relativeError } of await finiteDifferenceErrors(`${group}/${name}`, build)) {
        expect(relativeError, `gradient with respect to ${input}`).toBeLessThan(tolerance);
      }
    });
  });
}

expectGradients(
  'unary',
  Object.entries(unaryOps)
    .filter(([fn]) => fn !== 'sign')
    .map(([fn, { apply }]) => [
      fn,
      ({ feed }) => {
        const x = feed([3, 4], fn === 'log' || fn === 'sqrt' ? uniform(0.5, 3) : awayFromZero(0.3));
        return { y: apply(x), wrt: { x } };
      },
    ]),
);

const differentiablePairs: readonly (readonly [Shape, Shape])[] = [
  [
    [2, 3],
    [2, 3],
  ],
  [
    [2, 1, 3],
    [4, 1],
  ],
  [[], [3]],
  [[2, 3], [1]],
];

expectGradients(
  'binary with broadcasting',
  Object.entries(binaryOps).flatMap(([fn, { apply }]) =>
    differentiablePairs.map(
      ([a, b]): Exemplar => [
        `${fn} of [${a}] and [${b}]`,
        ({ feed }) => {
          const [x, w] = [feed(a, uniform(0.5, 2)), feed(b, uniform(0.5, 2))];
          return { y: apply(x, w), wrt: { x, w } };
        },
      ],
    ),
  ),
);

expectGradients('selection and reuse', [
  [
    'where, both branches broadcast',
    ({ feed }) => {
      const [x, y] = [feed([3, 1]), feed([4])];
      return { y: where(feed([3, 4], booleans), x, y), wrt: { x, y } };
    },
  ],
  [
    'a value read many times',
    ({ feed }) => {
      const x = feed([3, 4]);
      return { y: add(mul(x, x), mul(x, add(x, 1))), wrt: { x } };
    },
  ],
  [
    'a mask computed from the value itself',
    ({ feed }) => {
      const x = feed([3, 4], awayFromZero(0.2));
      return { y: where(greater(x, 0), mul(x, x), mul(x, cast(less(x, -0.5), 'f32'))), wrt: { x } };
    },
  ],
]);

expectGradients(
  'reductions',
  Object.entries({ sum, mean, max }).flatMap(([fn, reduce]) =>
    [[0], [1], [0, 2], [0, 1, 2]].flatMap((axes) =>
      [true, false].map(
        (keepDims): Exemplar => [
          `${fn} over ${axes}${keepDims ? ', kept' : ''}`,
          ({ feed }) => {
            const x = feed([2, 3, 4]);
            return { y: reduce(x, { axes, keepDims }), wrt: { x } };
          },
        ],
      ),
    ),
  ),
);

const flags = [false, true];
const batches: readonly (readonly [name: string, a: Shape, b: Shape])[] = [
  ['no batch', [], []],
  ['equal batches', [2], [2]],
  ['broadcast batches', [2, 1], [3]],
  ['b shared', [2, 3], []],
  ['a shared', [], [3]],
];

expectGradients(
  'matmul',
  batches.flatMap(([name, batchA, batchB]) =>
    flags.flatMap((transposeA) =>
      flags.map(
        (transposeB): Exemplar => [
          `${name}, ${transposeA ? 'Aᵀ' : 'A'}·${transposeB ? 'Bᵀ' : 'B'}`,
          ({ feed }) => {
            const a = feed([...batchA, ...(transposeA ? [4, 2] : [2, 4])]);
            const b = feed([...batchB, ...(transposeB ? [3, 4] : [4, 3])]);
            return { y: matmul(a, b, { transposeA, transposeB }), wrt: { a, b } };
          },
        ],
      ),
    ),
  ),
);

expectGradients('layout', [
  [
    'reshape and transpose',
    ({ feed }) => {
      const x = feed([2, 3, 4]);
      return { y: transpose(reshape(x, [3, 2, 4]), [2, 0, 1]), wrt: { x } };
    },
  ],
  [
    'broadcastTo',
    ({ feed }) => {
      const [x, scalar] = [feed([3, 1]), feed([])];
      return { y: add(broadcastTo(x, [2, 3, 4]), broadcastTo(scalar, [2, 3, 4])), wrt: { x, scalar } };
    },
  ],
  [
    'slice and pad',
    ({ feed }) => {
      const x = feed([4, 5]);
      return { y: pad(slice(x, [1, 0], [3, 4]), [1, 0], [0, 2]), wrt: { x } };
    },
  ],
  [
    'concat of overlapping parts',
    ({ feed }) => {
      const [x, y] = [feed([4, 3]), feed([2, 3])];
      return { y: concat([narrow(x, 0, 0, 3), y, narrow(x, 0, 2, 4)], 0), wrt: { x, y } };
    },
  ],
]);

expectGradients('composites', [
  [
    'linear of rank 3 with bias',
    ({ feed }) => {
      const [x, w, b] = [feed([2, 3, 4]), feed([5, 4]), feed([5])];
      return { y: linear(x, w, b), wrt: { x, w, b } };
    },
  ],
  [
    'linear of a vector without bias',
    ({ feed }) => {
      const [x, w] = [feed([4]), feed([3, 4])];
      return { y: linear(x, w), wrt: { x, w } };
    },
  ],
  [
    'layerNorm',
    ({ feed }) => {
      const [x, gamma, beta] = [feed([2, 3, 5]), feed([5]), feed([5])];
      return { y: layerNorm(x, gamma, beta, 1e-3), wrt: { x, gamma, beta } };
    },
  ],
  [
    'softmax',
    ({ feed }) => {
      const x = feed([2, 3, 5]);
      return { y: softmax(x), wrt: { x } };
    },
  ],
  [
    'gelu',
    ({ feed }) => {
      const x = feed([3, 5], normal(2));
      return { y: gelu(x), wrt: { x } };
    },
  ],
  [
    'attention',
    ({ feed }) => {
      const [q, k, v] = [feed([2, 1, 3, 4]), feed([2, 1, 5, 4]), feed([2, 1, 5, 2])];
      return { y: scaledDotProductAttention(q, k, v, 0.5), wrt: { q, k, v } };
    },
  ],
  [
    'self-attention of one value',
    ({ feed }) => {
      const x = feed([2, 3, 4]);
      return { y: scaledDotProductAttention(x, x, x, 0.5), wrt: { x } };
    },
  ],
  [
    'crossEntropy',
    ({ feed }) => {
      const logits = feed([3, 5]);
      return { y: crossEntropy(logits, feed([3], integers(5))), wrt: { logits } };
    },
  ],
  [
    'crossEntropy with smoothing',
    ({ feed }) => {
      const logits = feed([3, 5]);
      return { y: crossEntropy(logits, feed([3], integers(5)), 0.2), wrt: { logits } };
    },
  ],
]);

/** The gradients of a weighting of `y`, as one vector: differentiating it again gives second derivatives. */
function gradientVector({ feed }: CaseInputs, y: Tensor, wrt: readonly Tensor[]): Tensor {
  const found = gradients(sum(mul(y, feed(y.shape))), wrt);
  return concat(
    found.map((gradient) => reshape(gradient!, [-1])),
    0,
  );
}

// The gradients of these are composites without a gradient rule of their own: they are differentiated
// through their lowerings.
expectGradients('second derivatives', [
  [
    'tanh, pow and division',
    (inputs) => {
      const [x, w] = [inputs.feed([3], uniform(0.5, 2)), inputs.feed([2, 1], uniform(0.5, 2))];
      const y = unaryOps.tanh.apply(binaryOps.div.apply(binaryOps.pow.apply(x, w), add(x, w)));
      return { y: gradientVector(inputs, y, [x, w]), wrt: { x, w } };
    },
  ],
  [
    'gelu',
    (inputs) => {
      const x = inputs.feed([5], normal(2));
      return { y: gradientVector(inputs, gelu(x), [x]), wrt: { x } };
    },
  ],
  [
    'softmax',
    (inputs) => {
      const x = inputs.feed([2, 4]);
      return { y: gradientVector(inputs, softmax(x), [x]), wrt: { x } };
    },
  ],
  [
    'layerNorm',
    (inputs) => {
      const [x, gamma, beta] = [inputs.feed([2, 4]), inputs.feed([4]), inputs.feed([4])];
      const y = layerNorm(x, gamma, beta, 1e-2);
      return { y: gradientVector(inputs, mul(y, y), [x, gamma, beta]), wrt: { x, gamma, beta } };
    },
  ],
  [
    'attention',
    (inputs) => {
      const [q, k, v] = [inputs.feed([2, 3]), inputs.feed([4, 3]), inputs.feed([4, 2])];
      const y = scaledDotProductAttention(q, k, v, 0.5);
      return { y: gradientVector(inputs, y, [q, k, v]), wrt: { q, k, v } };
    },
  ],
  [
    'self-attention, where one value is every input',
    (inputs) => {
      const x = inputs.feed([3, 2]);
      const y = scaledDotProductAttention(x, x, x, 0.5);
      return { y: gradientVector(inputs, y, [x]), wrt: { x } };
    },
  ],
  [
    'crossEntropy',
    (inputs) => {
      const logits = inputs.feed([2, 4]);
      const y = crossEntropy(logits, inputs.feed([2], integers(4)), 0.1);
      return { y: gradientVector(inputs, mul(y, y), [logits]), wrt: { logits } };
    },
  ],
  [
    'third derivative of gelu',
    (inputs) => {
      const x = inputs.feed([4], normal(1.5));
      return { y: gradientVector(inputs, gradientVector(inputs, gelu(x), [x]), [x]), wrt: { x } };
    },
  ],
]);

describe('the gradient of a tie', () => {
  it('is shared evenly by max, and the shares add up to one', async () => {
    const traced = traceCase({
      name: 'ties',
      build({ feed }) {
        const x = feed([1, 5], digits(1));
        const [dx] = gradients(sum(max(x, { axes: [1] })), [x]);
        return { dx: dx! };
      },
    });
    const { dx } = await runTraced(await createOracle(), traced);
    const expected = { dtype: 'f32' as const, shape: [1, 5], data: new Float64Array(5).fill(0.2) };
    expect(compareTensors('dx', dx!, expected).relativeError).toBeLessThan(1e-15);
  });
});
