import { referenceBackend } from '@kora-bench/backend-reference';
import type { HostTensor } from '@kora-bench/core/graph';
import { GraphBuilder, hostTensor } from '@kora-bench/core/graph';
import { makeProgram } from '@kora-bench/core/passes';
import { forEachUpsampled, segmentationLoss, upsampleBilinear } from '@kora-bench/tasks';
import { describe, expect, it } from 'vitest';
import { difference, fixture, lossAndGradient, type Numbers, noise, real, whole } from './toy.js';

interface Case {
  readonly labelSmoothing: number;
  readonly logits: Numbers;
  readonly mask: Numbers;
  readonly upsampled: Numbers;
  readonly weights: readonly number[];
  readonly loss: readonly number[];
  readonly gradient: Numbers;
}

const { cases } = fixture<{ readonly cases: Readonly<Record<string, Case>> }>('segmentation-loss');

async function upsampled(x: HostTensor, size: readonly [number, number]): Promise<HostTensor> {
  const feed = new GraphBuilder().feed('x', x.shape);
  const backend = await referenceBackend.create('cpu', { lower: false });
  const executable = await backend.compile(makeProgram({ y: upsampleBilinear(feed, size) }), new Map());
  return (await executable.run({ feeds: { x }, fetch: ['y'] })).y!;
}

describe.each(Object.entries(cases))('as PyTorch: %s', (_name, expected) => {
  const [logits, mask] = [real(expected.logits), whole(expected.mask)];
  const size = [mask.shape[1]!, mask.shape[2]!] as const;

  it('logits at pixels are F.interpolate’s', async () => {
    const { shape, data } = await upsampled(logits, size);
    expect(shape).toEqual(expected.upsampled.shape);
    expect(difference(data, expected.upsampled.data)).toBeLessThan(1e-14);
  });

  it('the host interpolates as the program does', () => {
    const [count, rows, columns, channels] = logits.shape as [number, number, number, number];
    const found: number[] = [];
    for (let i = 0; i < count; i++) {
      const data = logits.data.subarray((i * logits.data.length) / count);
      forEachUpsampled({ data, rows, columns, channels }, size, (pixel, values) => {
        expect(found.length).toBe((i * size[0] * size[1] + pixel) * channels);
        found.push(...values);
      });
    }
    expect(difference(found, expected.upsampled.data)).toBeLessThan(1e-14);
  });

  it.each([false, true])('loss and gradient are F.cross_entropy’s, lowered: %s', async (lower) => {
    const { labelSmoothing, weights } = expected;
    const feeds = { prediction: logits, target: mask, weights };
    const found = await lossAndGradient((x, y) => segmentationLoss(x, y, { labelSmoothing }), feeds, lower);
    expect(difference(found.loss, expected.loss)).toBeLessThan(1e-13);
    expect(difference(found.gradient, expected.gradient.data)).toBeLessThan(1e-13);
  });
});

describe('the segmentation loss', () => {
  const size = [6, 8] as const;
  const logits = {
    ...noise('logits', [2, 3, 2, 4]),
    data: Float64Array.from(noise('logits', [2, 3, 2, 4]).data),
  };
  const mask = hostTensor(
    [2, ...size],
    Int32Array.from({ length: 2 * 48 }, (_, i) => (i % 5 === 0 ? -1 : (7 * i) % 4)),
  );
  const feeds = { prediction: logits, target: mask, weights: [0.7, 0.3] };
  const plain = (prediction: HostTensor) => lossAndGradient(segmentationLoss, { ...feeds, prediction });

  it('has the gradient that finite differences find', async () => {
    const { gradient } = await plain(logits);
    const total = async (at: number, by: number) => {
      const data = Float64Array.from(logits.data);
      data[at]! += by;
      const { loss } = await plain({ ...logits, data });
      return 0.7 * loss[0]! + 0.3 * loss[1]!;
    };
    for (const at of [0, 7, 23, 24, 40, 47]) {
      const slope = ((await total(at, 1e-5)) - (await total(at, -1e-5))) / 2e-5;
      expect(gradient[at]).toBeCloseTo(slope, 8);
    }
  });

  it('is 0 and passes no gradient for an example without a labelled pixel', async () => {
    const data = Int32Array.from(mask.data).fill(-1, 48);
    const found = await lossAndGradient(segmentationLoss, { ...feeds, target: { ...mask, data } });
    expect(found.loss[1]).toBe(0);
    expect(found.gradient.slice(24).every((slope) => slope === 0)).toBe(true);
    expect(found.gradient.slice(0, 24).some((slope) => slope !== 0)).toBe(true);
  });

  it('with a stride, is the mean over every n-th pixel', async () => {
    // The same pixels alone: all others are marked as belonging to no class.
    const kept = mask.data.map((label, i) => {
      const [y, x] = [Math.floor((i % 48) / 8), i % 8];
      return y % 2 === 1 && x % 2 === 1 ? label : -1;
    });
    const whole = await lossAndGradient(segmentationLoss, { ...feeds, target: { ...mask, data: kept } });
    const strided = await lossAndGradient((x, y) => segmentationLoss(x, y, { stride: 2 }), feeds);
    expect(difference(strided.loss, whole.loss)).toBeLessThan(1e-13);
    expect(difference(strided.gradient, whole.gradient)).toBeLessThan(1e-13);
  });
});
