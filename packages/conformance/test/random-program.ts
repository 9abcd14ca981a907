import { CaseInputs } from '@kora-bench/conformance';
import type { HostTensors, Shape, Tensor, Weights } from '@kora-bench/core/graph';
import { broadcastShapes, sizeOf } from '@kora-bench/core/graph';
import {
  abs,
  add,
  broadcastTo,
  concat,
  constant,
  erf,
  gelu,
  layerNorm,
  linear,
  matmul,
  max,
  maximum,
  mean,
  mul,
  narrow,
  neg,
  pad,
  reshape,
  scaledDotProductAttention,
  softmax,
  sub,
  sum,
  tanh,
  transpose,
} from '@kora-bench/core/ops';
import fc from 'fast-check';

/** A step picks an op by its first number and operands and attributes by the others. */
export type Step = readonly [op: number, a: number, b: number, c: number];

/** Lists of steps, each of which is a program: every list is valid, so shrinking is simply dropping steps. */
export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.tuple(fc.nat(999), fc.nat(999), fc.nat(999), fc.nat(999)),
  {
    minLength: 1,
    maxLength: 25,
  },
);

export interface RandomProgram {
  /** Everything that the steps built, sources included. */
  readonly values: readonly Tensor[];
  /** The feed `[2, 3, 4]` that everything started from. */
  readonly x: Tensor;
  readonly feeds: HostTensors;
  readonly weights: Weights;
  readonly state: HostTensors;
}

/** Builds one program from a list of steps; the same one for the same list. */
export function buildRandomProgram(
  list: readonly Step[],
  inputs = new CaseInputs('random program'),
): RandomProgram {
  const x = inputs.feed([2, 3, 4]);
  const values: Tensor[] = [x, inputs.feed([4]), inputs.stateOf([3, 1]), inputs.feed([4, 4])];
  for (const step of list) {
    const made = applyStep(step, values, inputs);
    // Scaled down, so that long chains of products stay far from overflow.
    values.push(
      made !== undefined && sizeOf(made.shape) <= 400 ? made : mul(tanh(pick(values, step[1])), 0.7),
    );
  }
  return { values, x, feeds: inputs.feeds, weights: inputs.weights, state: inputs.state };
}

/** A scalar that depends on `x` and the last values; what only they read is read once. */
export function scalarOf({ values, x }: RandomProgram): Tensor {
  return [x, ...values.slice(-3)].map((value) => mean(tanh(value))).reduce((a, b) => add(a, b));
}

function pick<T>(from: readonly T[], n: number): T {
  return from[n % from.length]!;
}

function applyStep([op, a, b, c]: Step, values: readonly Tensor[], inputs: CaseInputs): Tensor | undefined {
  // Half of the steps continue the last value, so that chains form through which passes can move things.
  const [x, y] = [a % 2 === 0 ? values.at(-1)! : pick(values, a), pick(values, b)];
  const { rank } = x;
  const axes = x.shape.flatMap((_, axis) => ((c >> axis) & 1 ? [axis] : []));
  const width = x.shape.at(-1);
  const binary = [add, sub, mul, maximum];
  const both = broadcastShapes(x.shape, y.shape) !== undefined;
  const builders: readonly (() => Tensor | undefined)[] = [
    () => (both ? mul(pick(binary, c)(x, y), 0.5) : undefined),
    () => (both ? add(x, y) : undefined),
    () => pick([neg, abs, tanh, erf, gelu], c)(x),
    () => mul(x, pick([1, 0.5, 2, -1, 0], c)),
    () => mul(pick([0.5, 1, 3], c), x),
    () => add(x, pick([0, 1], c)),
    () => add(pick([0, 1], c), x),
    () => add(constant(x.builder, pick([0, 2], c), []), constant(x.builder, Float64Array.of(1, 2, 3, 4))),
    () => mul(x, constant(x.builder, Float64Array.of(0.5), [1, 1, 1])),
    () => mean(x, { axes, keepDims: b % 2 === 0 }),
    () => mul(sum(x, { axes, keepDims: b % 2 === 0 }), 0.25),
    () => max(x, { axes, keepDims: b % 2 === 0 }),
    () => reshape(x, [sizeOf(x.shape)]),
    () => reshape(x, factorise(sizeOf(x.shape), b)),
    () => transpose(x, rotate(rank, b)),
    () => transpose(x),
    () => broadcastTo(x, [pick([1, 2, 3], c), ...x.shape]),
    () => (rank === 0 ? undefined : cut(x, b, c)),
    () =>
      rank === 0
        ? undefined
        : pad(
            x,
            x.shape.map((_, axis) => (b >> axis) & 1),
            x.shape.map((_, axis) => (c >> axis) & 1),
          ),
    () => (rank === 0 ? undefined : concat([x, x, mul(x, 0.5)].slice(0, 2 + (c % 2)), b % rank)),
    () => (width === undefined ? undefined : linear(x, scaled(inputs, [1 + (b % 5), width]))),
    () =>
      width === undefined
        ? undefined
        : linear(x, scaled(inputs, [1 + (b % 5), width]), inputs.frozen([1 + (b % 5)])),
    () => (rank === 0 ? undefined : exchangedParts(x, b, c)),
    () => (rank === 0 ? undefined : neighbours(x, b % rank)),
    () => (width === undefined ? undefined : softmax(x)),
    () =>
      width === undefined ? undefined : layerNorm(x, inputs.frozen([width]), inputs.frozen([width]), 0.1),
    () => (rank < 2 ? undefined : mul(matmul(x, x, { transposeB: true }), 0.25)),
    () => (rank < 2 ? undefined : matmul(x, scaled(inputs, [width!, 1 + (b % 4)]))),
    () => (rank < 2 ? undefined : scaledDotProductAttention(x, x, mul(x, 0.5), 0.5)),
    () =>
      rank < 2
        ? undefined
        : mean(linear(add(x, inputs.frozen([width!])), scaled(inputs, [3, width!])), { axes: [rank - 2] }),
  ];
  return pick(builders, op)();
}

function scaled(inputs: CaseInputs, shape: Shape): Tensor {
  return mul(inputs.frozen(shape), 0.4);
}

function rotate(rank: number, by: number): number[] {
  return Array.from({ length: rank }, (_, axis) => (axis + by) % rank);
}

/** Some shape of rank 1 to 3 with `size` elements. */
function factorise(size: number, seed: number): number[] {
  const first = [2, 3, 4, 1].find((factor, i) => i >= seed % 4 && size % factor === 0) ?? 1;
  const rest = size / first;
  return rest % 2 === 0 && seed % 3 === 0 ? [first, 2, rest / 2] : [first, rest];
}

function cut(x: Tensor, b: number, c: number): Tensor {
  const axis = b % x.rank;
  const extent = x.shape[axis]!;
  const start = c % extent;
  return narrow(x, axis, start, start + 1 + ((b + c) % (extent - start)));
}

/** The two parts of `x` along an axis in the other order; its gradient is a sum of padded parts. */
function exchangedParts(x: Tensor, b: number, c: number): Tensor | undefined {
  const axis = b % x.rank;
  const extent = x.shape[axis]!;
  if (extent < 2) return undefined;
  const at = 1 + (c % (extent - 1));
  return concat([mul(narrow(x, axis, at, extent), 0.5), narrow(x, axis, 0, at)], axis);
}

/** The sum of `x` padded before and `x` padded after, so that both abut. */
function neighbours(x: Tensor, axis: number): Tensor {
  const count = x.shape.map((extent, i) => (i === axis ? extent : 0));
  const none = x.shape.map(() => 0);
  return add(pad(x, count, none), pad(mul(x, 0.5), none, count));
}
