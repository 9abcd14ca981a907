import { gradients } from '@kora-bench/core/autodiff';
import { GraphBuilder } from '@kora-bench/core/graph';
import { sum } from '@kora-bench/core/ops';
import { scaleInvariantDepthLoss } from '@kora-bench/core/training';
import { describe, expect, it } from 'vitest';
import { evaluate, f64 } from './float64-inputs.js';

const shape = [2, 2, 3];
const predicted = [0.1, 0.7, -0.2, 1.4, 0.3, 0.9, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5];
/** Metres; the second example has no measured pixel. */
const depth = [1, 0, 2.5, 4, 0, 0.6, 0, 0, 0, 0, 0, 0];

async function lossOf(logDepth: readonly number[], lambda?: number) {
  const builder = new GraphBuilder();
  const x = builder.feed('x', shape);
  const loss = scaleInvariantDepthLoss(x, builder.feed('depth', shape), lambda);
  const [dx] = gradients(sum(loss), [x]);
  const feeds = { x: f64(shape, logDepth), depth: f64(shape, depth) };
  const got = await evaluate({ loss, dx: dx! }, { feeds });
  return { loss: [...got.loss!.data], dx: [...got.dx!.data] };
}

/** √(mean(d²) − λ·mean(d)² + 1e-6) over the measured pixels of the first example. */
function direct(logDepth: readonly number[], lambda: number): number {
  const d = depth.flatMap((metres, i) => (metres > 0 ? [logDepth[i]! - Math.log(metres)] : []));
  const average = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  return Math.sqrt(average(d.map((value) => value ** 2)) - lambda * average(d) ** 2 + 1e-6);
}

describe('the scale-invariant depth loss', () => {
  it.each([0, 0.5, 1])('is the formula over the measured pixels, λ = %f', async (lambda) => {
    const { loss } = await lossOf(predicted, lambda);
    expect(loss[0]).toBeCloseTo(direct(predicted, lambda), 12);
  });

  it('uses λ = 0.5 when none is given', async () => {
    expect((await lossOf(predicted)).loss).toEqual((await lossOf(predicted, 0.5)).loss);
  });

  it('ignores the scale with λ = 1: the same log offset everywhere changes nothing', async () => {
    const offset = predicted.map((value) => value + 0.8);
    expect((await lossOf(offset, 1)).loss[0]).toBeCloseTo((await lossOf(predicted, 1)).loss[0]!, 10);
    expect((await lossOf(offset, 0)).loss[0]).not.toBeCloseTo((await lossOf(predicted, 0)).loss[0]!, 2);
  });

  it('passes no gradient to pixels that were not measured, and stays finite without a measured pixel', async () => {
    const { loss, dx } = await lossOf(predicted);
    expect(loss[1]).toBeCloseTo(1e-3, 12);
    depth.forEach((metres, i) => {
      if (metres === 0) expect(dx[i]).toBeCloseTo(0, 15);
      else expect(Math.abs(dx[i]!)).toBeGreaterThan(1e-3);
    });
  });
});
