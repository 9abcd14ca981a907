import type { OpCase, TrainingCase } from '@kora-bench/conformance';
import {
  compareCase,
  compareTensors,
  compareTraining,
  createOracle,
  defaultTolerances,
  finiteDifferenceErrors,
  opCases,
  toyTrainingCases,
  uniform,
  worstOf,
} from '@kora-bench/conformance';
import type { Backend } from '@kora-bench/core/backend';
import type { HostTensor, Program } from '@kora-bench/core/graph';
import { hostTensor } from '@kora-bench/core/graph';
import { add, cast, compositeKinds, mul } from '@kora-bench/core/ops';
import { rewriteProgram } from '@kora-bench/core/passes';
import { describe, expect, it } from 'vitest';

/** The reference with a change to the program before it is compiled. */
async function broken(change: (program: Program) => Program): Promise<Backend> {
  const backend = await createOracle();
  return { ...backend, compile: (program, weights) => backend.compile(change(program), weights) };
}

/** Adds `amount`·output to every result of ops of `kind`. */
function perturb(kind: string, amount: number) {
  return (program: Program) =>
    rewriteProgram(program, (node, inputs, builder) =>
      node.op.kind === kind ? mul(builder.emit(node.op, inputs), 1 + amount) : undefined,
    );
}

function find<T extends OpCase | TrainingCase>(cases: readonly T[], name: string): T {
  return cases.find((one) => one.name === name)!;
}

const geluCase = find(opCases.composites!, 'gelu');

describe('the suite fails on', () => {
  it('a gelu that is off by one part in a thousand, naming output and element', async () => {
    const worst = worstOf(
      await compareCase(await broken(perturb('gelu', 1e-3)), await createOracle(), geluCase),
    );
    expect(worst.relativeError).toBeGreaterThan(defaultTolerances.forward);
    expect(worst.relativeError).toBeCloseTo(1e-3, 6);
    expect(worst.worst).toMatch(/^element \d+ is .* instead of /);
  });

  it('a gelu gradient that is off, in training too', async () => {
    const backend = await broken(perturb('geluGrad', 0.02));
    const gradient = find(opCases.gradients!, 'gradient of gelu');
    const { relativeError } = worstOf(await compareCase(backend, await createOracle(), gradient));
    expect(relativeError).toBeGreaterThan(defaultTolerances.gradient);

    const mlp = find(toyTrainingCases, 'an MLP classifier, SGD');
    const compared = await compareTraining(backend, await createOracle(), mlp, 1);
    expect(compared.find(({ value }) => value === 'state "parameters"')!.relativeError).toBeGreaterThan(
      defaultTolerances.training,
    );
  });

  it('a backend that leaves composites for its caller to lower', async () => {
    const primitivesOnly = await broken((program) => {
      const foreign = program.nodes.find(({ op }) => compositeKinds.some((kind) => kind === op.kind));
      if (foreign !== undefined) throw new Error(`There is no kernel for ${foreign.op.kind}.`);
      return program;
    });
    const reference = await createOracle();
    await expect(compareCase(primitivesOnly, reference, geluCase)).rejects.toThrow('no kernel for gelu');
    const mlp = find(toyTrainingCases, 'an MLP classifier, SGD');
    await expect(compareTraining(primitivesOnly, reference, mlp, 1)).rejects.toThrow('no kernel for');
  });

  it('an update that is not applied', async () => {
    const backend = await broken((program) => ({ ...program, updates: new Map() }));
    const compared = await compareTraining(backend, await createOracle(), toyTrainingCases[0]!, 1);
    expect(compared.find(({ value }) => value === 'state "parameters"')!.relativeError).toBeCloseTo(1, 10);
  });

  it('a softmax without its shift, which overflows only for large arguments', async () => {
    const unshifted = await broken((program) =>
      rewriteProgram(program, (node, inputs, builder) => {
        if (node.op.kind !== 'softmax') return undefined;
        const powers = builder.emit({ kind: 'unary', fn: 'exp' }, inputs);
        const axes = [node.shape.length - 1];
        return builder.emit({ kind: 'binary', fn: 'div' }, [
          powers,
          builder.emit({ kind: 'reduce', fn: 'sum', axes, keepDims: true }, [powers]),
        ]);
      }),
    );
    const reference = await createOracle();
    const ordinary = await compareCase(unshifted, reference, find(opCases.composites!, 'softmax'));
    expect(worstOf(ordinary).relativeError).toBeLessThan(1e-10);
    const large = await compareCase(
      unshifted,
      reference,
      find(opCases.composites!, 'softmax of large and equal arguments'),
    );
    expect(worstOf(large).relativeError).toBe(Infinity);
  });

  it('a gradient rule that is wrong, by finite differences', async () => {
    const [error] = await finiteDifferenceErrors('wrong rule', ({ feed }) => {
      const x = feed([3], uniform(0.5, 2));
      // The only op whose rule is not its derivative: rounding passes no gradient on, here by a cast.
      const detached = cast(cast(mul(x, 2 ** 20), 'i32'), 'f32');
      return { y: add(mul(x, x), mul(detached, 2 ** -20)), wrt: { x } };
    });
    expect(error!.relativeError).toBeGreaterThan(0.1);
  });
});

describe('compareTensors', () => {
  const tensor = (...values: number[]): HostTensor => hostTensor([values.length], Float64Array.from(values));

  it('is relative to the element where it is large and to the whole where it is small', () => {
    expect(compareTensors('y', tensor(100, 1.1), tensor(100, 1)).relativeError).toBeCloseTo(
      0.1 / Math.sqrt(5000.5),
      10,
    );
    expect(compareTensors('y', tensor(101, 1), tensor(100, 1)).relativeError).toBeCloseTo(0.01, 10);
  });

  it('accepts NaN for NaN and nothing else for NaN or an infinity', () => {
    expect(compareTensors('y', tensor(NaN, Infinity), tensor(NaN, Infinity)).relativeError).toBe(0);
    expect(compareTensors('y', tensor(1), tensor(NaN)).relativeError).toBe(Infinity);
    expect(compareTensors('y', tensor(NaN), tensor(1)).relativeError).toBe(Infinity);
    expect(compareTensors('y', tensor(-Infinity), tensor(Infinity)).relativeError).toBe(Infinity);
    expect(compareTensors('y', tensor(3e38), tensor(Infinity)).relativeError).toBe(Infinity);
  });

  it('does not accept another shape or dtype', () => {
    const [flat, column] = [tensor(1, 2), hostTensor([2, 1], Float64Array.of(1, 2))];
    expect(compareTensors('y', flat, column).relativeError).toBe(Infinity);
    expect(compareTensors('y', hostTensor([2], Int32Array.of(1, 2)), flat).relativeError).toBe(Infinity);
  });
});
