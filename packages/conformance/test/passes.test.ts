import { CaseInputs, compareTensors, createOracle, runTraced, worstOf } from '@kora-bench/conformance';
import { gradients } from '@kora-bench/core/autodiff';
import type { CompositeKind, HostTensor, Program, Tensor } from '@kora-bench/core/graph';
import { compositeKinds, linear, matmul, mean, mul, narrow } from '@kora-bench/core/ops';
import {
  lowerComposites,
  makeProgram,
  narrowEarly,
  partitionFrozenPrefix,
  programCost,
  rewriteProgram,
  simplify,
} from '@kora-bench/core/passes';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RandomProgram } from './random-program.js';
import { buildRandomProgram, scalarOf, steps } from './random-program.js';

/** Rewriting may change the order of float64 additions and nothing else. */
const rounding = 1e-9;

async function evaluate(
  program: Program,
  { feeds, weights, state }: RandomProgram,
): Promise<Record<string, HostTensor>> {
  const used = new Set(program.nodes.flatMap(({ op }) => (op.kind === 'feed' ? [op.name] : [])));
  const needed = Object.fromEntries(Object.entries(feeds).filter(([name]) => used.has(name)));
  return runTraced(await createOracle(), { program, feeds: needed, weights, state });
}

async function differenceAfter(made: RandomProgram, program: Program, changed: Program): Promise<number> {
  const [expected, actual] = [await evaluate(program, made), await evaluate(changed, made)];
  expect(Object.keys(actual)).toEqual(Object.keys(expected));
  return worstOf(Object.keys(expected).map((name) => compareTensors(name, actual[name]!, expected[name]!)))
    .relativeError;
}

/** The last values as outputs, and a loss with its gradient, so that passes see gradient programs too. */
function outputsOf(made: RandomProgram): Record<string, Tensor> {
  const last = Object.fromEntries(made.values.slice(-4).map((value, i) => [`value${i}`, value]));
  const loss = scalarOf(made);
  return { ...last, loss, gradient: gradients(loss, [made.x])[0]! };
}

const runs = { numRuns: 60 };

describe('on random programs and their gradients', () => {
  it('rebuilding keeps all values', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        const made = buildRandomProgram(list);
        const program = makeProgram(outputsOf(made));
        expect(await differenceAfter(made, program, rewriteProgram(program))).toBe(0);
      }),
      runs,
    );
  });

  it('simplify keeps all values, once and twice', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        const made = buildRandomProgram(list);
        const program = makeProgram(outputsOf(made));
        const once = rewriteProgram(program, simplify);
        expect(await differenceAfter(made, program, once)).toBeLessThan(rounding);
        expect(await differenceAfter(made, program, rewriteProgram(once, simplify))).toBeLessThan(rounding);
      }),
      runs,
    );
  });

  it('lowering any set of composites keeps all values and leaves none of the set', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.subarray([...compositeKinds]), async (list, kept) => {
        const made = buildRandomProgram(list);
        const program = makeProgram(outputsOf(made));
        const native = new Set<CompositeKind>(kept);
        const lowered = lowerComposites(program, native);
        const foreign = new Set<string>(compositeKinds.filter((kind) => !native.has(kind)));
        expect(lowered.nodes.filter(({ op }) => foreign.has(op.kind))).toEqual([]);
        expect(await differenceAfter(made, program, lowered)).toBeLessThan(rounding);
      }),
      runs,
    );
  });

  it('narrowing early keeps all values, and moves slices in some', async () => {
    let cheaper = 0;
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        const made = buildRandomProgram(list);
        const last = made.values.at(-1)!;
        const part = last.rank === 0 ? last : narrow(last, last.rank > 1 ? -2 : -1, 0, 1);
        const program = makeProgram({ part });
        const narrowed = makeProgram({ part: narrowEarly([part])[0]! });
        if (programCost(narrowed).flops < programCost(program).flops) cheaper++;
        expect(await differenceAfter(made, program, narrowed)).toBeLessThan(rounding);
      }),
      runs,
    );
    expect(cheaper).toBeGreaterThan(0);
  });

  it('a frozen prefix and its rest give the values of the whole', async () => {
    let split = 0;
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        const made = buildRandomProgram(list);
        const program = makeProgram(outputsOf(made));
        const partition = partitionFrozenPrefix(program, new Set(['feed0']));
        if (partition === undefined) return;
        split++;
        const cached = await evaluate(partition.prefix, { ...made, state: {} });
        const feeds = { ...made.feeds, ...cached };
        const [expected, actual] = [
          await evaluate(program, made),
          await evaluate(partition.rest, { ...made, feeds }),
        ];
        for (const [name, value] of Object.entries(expected)) {
          expect(compareTensors(name, actual[name]!, value).relativeError).toBeLessThan(rounding);
        }
      }),
      runs,
    );
    expect(split).toBeGreaterThan(0);
  });
});

describe('autodiff', () => {
  it('is linear: ∇(a·f + b·g) = a·∇f + b·∇g', async () => {
    const factor = fc.double({ min: -3, max: 3, noNaN: true });
    await fc.assert(
      fc.asyncProperty(steps, steps, factor, factor, async (first, second, a, b) => {
        const inputs = new CaseInputs('linearity');
        const f = buildRandomProgram(first, inputs);
        // The second program reads the values of the first one's feed too, through the product of both losses' input.
        const g = buildRandomProgram(second, inputs);
        const [lossF, lossG] = [scalarOf(f), mean(mul(scalarOf(g), f.x))];
        const combined = mul(lossF, a);
        const total = combined.builder.emit({ kind: 'binary', fn: 'add' }, [combined, mul(lossG, b)]);
        const [whole, partF, partG] = [total, lossF, lossG].map((loss) => gradients(loss, [f.x])[0]!);
        const program = makeProgram({ whole: whole!, partF: partF!, partG: partG! });
        const {
          whole: actual,
          partF: df,
          partG: dg,
        } = await evaluate(program, {
          ...f,
          feeds: inputs.feeds,
          weights: inputs.weights,
          state: inputs.state,
        });
        const expected = df!.data.map((value, i) => a * value + b * dg!.data[i]!);
        const scale = Math.max(1e-30, ...df!.data.map(Math.abs), ...dg!.data.map(Math.abs));
        expected.forEach((value, i) => {
          expect(Math.abs(actual!.data[i]! - value) / scale).toBeLessThan(1e-12);
        });
      }),
      runs,
    );
  });
});

describe('mean through linear', () => {
  it('keeps the value, pools before every map and costs less', async () => {
    const inputs = new CaseInputs('pooling');
    const x = inputs.feed([2, 197, 12]);
    const hidden = linear(x, inputs.frozen([9, 12]), inputs.frozen([9]));
    const shifted = matmul(mul(hidden, inputs.frozen([9])), inputs.frozen([9, 5]));
    const program = makeProgram({ y: mean(shifted, { axes: [1] }) });
    const pooled = rewriteProgram(program, simplify);

    const products = pooled.nodes.filter(({ op }) => op.kind === 'linear' || op.kind === 'matmul');
    expect(products.map(({ shape }) => shape)).toEqual([
      [2, 9],
      [2, 5],
    ]);
    expect(programCost(pooled).flops).toBeLessThan(programCost(program).flops / 10);
    const made = { values: [], x, feeds: inputs.feeds, weights: inputs.weights, state: {} };
    expect(await differenceAfter(made, program, pooled)).toBeLessThan(1e-12);
  });
});
