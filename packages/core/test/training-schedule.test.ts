import { readFileSync } from 'node:fs';
import { learningRateAt } from '@kora-bench/core/training';
import { describe, expect, it } from 'vitest';

interface TorchSchedules {
  schedules: { kind: 'cosine' | 'constant'; warmupSteps: number; base: number; rates: number[] }[];
}

const { schedules } = JSON.parse(
  readFileSync(new URL('fixtures/torch-schedules.json', import.meta.url), 'utf8'),
) as TorchSchedules;

describe('learning rate', () => {
  it.each(schedules)(
    '$kind with $warmupSteps steps of warm-up is PyTorch’s',
    ({ kind, warmupSteps, base, rates }) => {
      const config = { kind, warmup: warmupSteps / rates.length };
      const own = rates.map((_, step) => learningRateAt(config, base, step, rates.length));
      for (const [step, rate] of rates.entries()) expect(own[step]).toBeCloseTo(rate, 9);
    },
  );

  it('reaches its base at the end of the warm-up and is never 0', () => {
    for (const warmup of [0, 0.05, 0.3, 0.99]) {
      const rates = Array.from({ length: 100 }, (_, step) =>
        learningRateAt({ kind: 'cosine', warmup }, 0.1, step, 100),
      );
      expect(Math.max(...rates)).toBeCloseTo(0.1, 12);
      expect(Math.min(...rates)).toBeGreaterThan(0);
    }
  });

  it('holds for a run of one step', () => {
    expect(learningRateAt({ kind: 'cosine', warmup: 0.5 }, 0.1, 0, 1)).toBe(0.1);
  });
});
