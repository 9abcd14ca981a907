/** How the learning rate moves over a run. */
export interface ScheduleConfig {
  readonly kind: 'constant' | 'cosine';
  /** Share of all steps, in [0, 1), over which the rate rises linearly from 0. */
  readonly warmup: number;
}

/**
 * The learning rate of step `step` of `totalSteps` (from 0).
 * Warm-up: base·(step + 1)/(warm-up steps). Cosine (Loshchilov & Hutter 2017, without restarts): after
 * the warm-up, base·(1 + cos(π·progress))/2 with progress from 0 towards 1.
 */
export function learningRateAt(
  { kind, warmup }: ScheduleConfig,
  base: number,
  step: number,
  totalSteps: number,
): number {
  const warmupSteps = Math.floor(warmup * totalSteps);
  if (step < warmupSteps) return (base * (step + 1)) / warmupSteps;
  if (kind === 'constant') return base;
  const progress = (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps);
  return (base * (1 + Math.cos(Math.PI * progress))) / 2;
}
