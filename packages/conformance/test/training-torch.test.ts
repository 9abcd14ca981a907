import { gradients } from '@kora-bench/core/autodiff';
import type { HostTensors } from '@kora-bench/core/graph';
import { GraphBuilder, hostTensor } from '@kora-bench/core/graph';
import { crossEntropy, mean } from '@kora-bench/core/ops';
import type { OptimizerConfig } from '@kora-bench/core/training';
import {
  clipByNorm,
  gradientNorm,
  optimizerFeeds,
  optimizerStates,
  optimizerUpdate,
} from '@kora-bench/core/training';
import { describe, expect, it } from 'vitest';
import { evaluate, f64, relativeDifference } from './float64-inputs.js';
import { readFixture } from './read-fixture.js';

interface TorchTraining {
  start: number[];
  gradients: number[][];
  learningRates: number[];
  runs: { optimizer: OptimizerConfig; parameters: number[][] }[];
  clipping: { gradient: number[]; cases: { maxNorm: number; norm: number; clipped: number[] }[] };
  crossEntropy: {
    logits: number[];
    labels: number[];
    cases: { labelSmoothing: number; losses: number[]; meanGradient: number[] }[];
  };
}

// The fixture has ten digits.
const digits = 1e-8;
const torch = readFixture<TorchTraining>('torch-training');

describe('optimisers give PyTorch’s parameters step by step', () => {
  it.each(torch.runs.map((run) => [JSON.stringify(run.optimizer), run] as const))(
    '%s',
    async (_name, { optimizer, parameters }) => {
      const length = torch.start.length;
      let state: HostTensors = Object.fromEntries([
        ['parameters', f64([length], torch.start)],
        ...optimizerStates(optimizer).map((name) => [name, f64([length], new Float64Array(length))]),
      ]);
      for (const [step, expected] of parameters.entries()) {
        const builder = new GraphBuilder();
        const updates = optimizerUpdate(
          optimizer,
          builder.state('parameters', [length]),
          builder.feed('gradient', [length]),
        );
        expect(Object.keys(updates).sort()).toEqual(Object.keys(state).sort());
        const feeds = {
          ...optimizerFeeds(optimizer, step, torch.learningRates[step]!),
          gradient: f64([length], torch.gradients[step]!),
        };
        state = await evaluate(updates, { feeds, state });
        expect(relativeDifference(state.parameters!.data, expected)).toBeLessThan(digits);
      }
    },
  );
});

describe('clipping is clip_grad_norm_', () => {
  it.each(torch.clipping.cases)('to $maxNorm', async ({ maxNorm, norm, clipped }) => {
    const { gradient } = torch.clipping;
    const x = new GraphBuilder().feed('x', [gradient.length]);
    const length = gradientNorm(x);
    const got = await evaluate(
      { length, clipped: clipByNorm(x, length, maxNorm) },
      { feeds: { x: f64(x.shape, gradient) } },
    );
    expect(got.length!.data[0]).toBeCloseTo(norm, 8);
    expect(relativeDifference(got.clipped!.data, clipped)).toBeLessThan(digits);
  });
});

describe('cross-entropy is torch.nn.functional.cross_entropy', () => {
  const { logits, labels, cases } = torch.crossEntropy;
  it.each(cases)('with label smoothing $labelSmoothing', async ({ labelSmoothing, losses, meanGradient }) => {
    const builder = new GraphBuilder();
    const x = builder.feed('logits', [4, 5]);
    const y = crossEntropy(x, builder.feed('labels', [4], 'i32'), labelSmoothing);
    const [dx] = gradients(mean(y), [x]);
    const feeds = { logits: f64([4, 5], logits), labels: hostTensor([4], Int32Array.from(labels)) };
    const got = await evaluate({ y, dx: dx! }, { feeds });
    expect(relativeDifference(got.y!.data, losses)).toBeLessThan(digits);
    expect(relativeDifference(got.dx!.data, meanGradient)).toBeLessThan(digits);
  });
});
