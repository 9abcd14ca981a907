import {
  compareTensors,
  methodTrainingCases,
  toyTrainingCases,
  variantTrainingCases,
  worstOf,
} from '@kora-bench/conformance';
import { gradients } from '@kora-bench/core/autodiff';
import type { Program } from '@kora-bench/core/graph';
import { compositeKinds } from '@kora-bench/core/ops';
import { batchOf, cutBatch, lowerComposites, makeProgram, splitBatch } from '@kora-bench/core/passes';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildRandomProgram, scalarOf, steps } from './random-program.js';
import type { Sources } from './run-split.js';
import { runSplit, runWhole } from './run-split.js';

/** Splitting changes the order of float64 additions and nothing else. */
const rounding = 1e-9;

/** @param repeats whether parts compute anew what depends on no example */
function differenceInParts(program: Program, sources: Sources, parts: number, repeats: boolean): number {
  const expected = runWhole(program, sources);
  const cut = cutBatch(program, batchOf(program)!, parts);
  const actual = runSplit(
    splitBatch(program, cut, () => repeats),
    sources,
  );
  expect(Object.keys(actual)).toEqual(Object.keys(expected));
  return worstOf(Object.keys(expected).map((name) => compareTensors(name, actual[name]!, expected[name]!)))
    .relativeError;
}

describe('a batch that is worked on in parts gives what the whole one gives', () => {
  it.each([...toyTrainingCases, ...methodTrainingCases, ...variantTrainingCases])(
    '$name',
    async ({ build }) => {
      const { program, feeds, state, weights } = await build();
      const sources = { ...Object.fromEntries(weights), ...state, ...feeds(3) };
      const batch = batchOf(program)!;
      const parts = Array.from({ length: batch - 1 }, (_, i) => i + 2).filter((count) => batch % count === 0);
      for (const count of parts) {
        const lowered = lowerComposites(program, new Set());
        expect(differenceInParts(program, sources, count, true), `${count} parts`).toBeLessThan(rounding);
        expect(differenceInParts(lowered, sources, count, false), `${count} parts`).toBeLessThan(rounding);
      }
    },
  );

  it('for random programs and their gradients', () => {
    const done = new Set<string>();
    fc.assert(
      fc.property(steps, fc.boolean(), (list, repeats) => {
        const made = buildRandomProgram(list);
        const last = Object.fromEntries(made.values.slice(-4).map((value, i) => [`value${i}`, value]));
        const loss = scalarOf(made);
        const program = makeProgram({ ...last, loss, gradient: gradients(loss, [made.x])[0]! });
        const sources = { ...Object.fromEntries(made.weights), ...made.state, ...made.feeds };
        expect(differenceInParts(program, sources, 2, repeats)).toBeLessThan(rounding);
        const { places } = cutBatch(program, 2, 2);
        for (const { id, op } of program.nodes) if (places[id] === 'body') done.add(op.kind);
      }),
      { numRuns: 300 },
    );
    // Parts had more to do than to hand on their feeds.
    expect(done.has('matmul')).toBe(true);
    expect(compositeKinds.some((kind) => done.has(kind))).toBe(true);
  });
});
