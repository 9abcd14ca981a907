import { add, div, minimum, mul, sqrt, sub } from '../ops/elementwise.js';
import { sum } from '../ops/reduce.js';
import type { HostTensors } from '../tensor/host-tensor.js';
import type { Tensor } from '../tensor/tensor.js';
import type { ParameterLayout } from './parameter-layout.js';
import { factorVector } from './parameter-layout.js';

/** Plain values of an optimiser, as they stand in configurations and records. */
export type OptimizerConfig =
  | { readonly kind: 'sgd'; readonly momentum: number; readonly weightDecay: number }
  | {
      readonly kind: 'adamw';
      readonly beta1: number;
      readonly beta2: number;
      readonly eps: number;
      readonly weightDecay: number;
    };

/** PyTorch's defaults of AdamW. */
export const defaultAdamW: OptimizerConfig = {
  kind: 'adamw',
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  weightDecay: 0.01,
};

/** Names of the scalar feeds that change from step to step. */
export const learningRateFeed = 'learningRate';
const correctionFeeds = ['biasCorrection1', 'biasCorrection2'] as const;

/** Names of the flat states `[P]` that the optimiser keeps beside the parameters; all start at zero. */
export function optimizerStates(config: OptimizerConfig): readonly string[] {
  return config.kind === 'adamw' ? ['moment1', 'moment2'] : config.momentum === 0 ? [] : ['moment1'];
}

/** Values of the scalar feeds of step `step` (from 0) at `learningRate`. */
export function optimizerFeeds(config: OptimizerConfig, step: number, learningRate: number): HostTensors {
  const scalar = (value: number) => ({ dtype: 'f32' as const, shape: [], data: Float64Array.of(value) });
  if (config.kind === 'sgd') return { [learningRateFeed]: scalar(learningRate) };
  return {
    [learningRateFeed]: scalar(learningRate),
    [correctionFeeds[0]]: scalar(1 - config.beta1 ** (step + 1)),
    [correctionFeeds[1]]: scalar(1 - config.beta2 ** (step + 1)),
  };
}

/**
 * Traces one update of `parameters` `[P]` with `gradient` `[P]`: new values by state name.
 * Definitions: torch.optim.SGD (momentum buffer, no dampening, weight decay added to the gradient) and
 * torch.optim.AdamW (Loshchilov & Hutter 2019: weight decay decoupled from the gradient), with what acts on
 * whole vectors reduced to the fewest ops: moment1 = m/(1−β₁) and moment2 = v/(1−β₂) need no factor on the
 * gradient, and with s = √((1−β₂ᵗ)/(1−β₂)) the step m̂/(√v̂ + ε) is (1−β₁)/(1−β₁ᵗ)·s · moment1/(√moment2 + ε·s).
 */
export function optimizerUpdate(
  config: OptimizerConfig,
  parameters: Tensor,
  gradient: Tensor,
  layout?: ParameterLayout,
): Readonly<Record<string, Tensor>> {
  const { builder } = parameters;
  const rate = builder.feed(learningRateFeed, []);
  const rates = layout && factorVector('learningRate', layout, parameters);
  const decays = layout && factorVector('weightDecay', layout, parameters);
  const atOwnRate = (step: Tensor) => (rates === undefined ? step : mul(step, rates));
  const decay = decays === undefined ? config.weightDecay : mul(decays, config.weightDecay);
  if (config.kind === 'sgd') {
    const decayed = config.weightDecay === 0 ? gradient : add(gradient, mul(parameters, decay));
    if (config.momentum === 0) return { parameters: sub(parameters, atOwnRate(mul(decayed, rate))) };
    const moment1 = add(mul(builder.state('moment1', parameters.shape), config.momentum), decayed);
    return { parameters: sub(parameters, atOwnRate(mul(moment1, rate))), moment1 };
  }
  const { beta1, beta2, eps, weightDecay } = config;
  const decaying = (name: string, beta: number, value: Tensor) =>
    add(mul(builder.state(name, parameters.shape), beta), value);
  const moment1 = decaying('moment1', beta1, gradient);
  const moment2 = decaying('moment2', beta2, mul(gradient, gradient));
  const root = sqrt(div(builder.feed(correctionFeeds[1], []), 1 - beta2));
  const denominator = add(sqrt(moment2), mul(root, eps));
  const stepSize = mul(mul(div(rate, builder.feed(correctionFeeds[0], [])), 1 - beta1), root);
  const kept = weightDecay === 0 ? parameters : mul(parameters, sub(1, atOwnRate(mul(rate, decay))));
  return { parameters: sub(kept, atOwnRate(mul(div(moment1, denominator), stepSize))), moment1, moment2 };
}

/** The L2 norm of a flat gradient `[P]`, a scalar. */
export function gradientNorm(gradient: Tensor): Tensor {
  return sqrt(sum(mul(gradient, gradient)));
}

/** Scales a gradient down to norm `maxNorm` where it is larger, as torch.nn.utils.clip_grad_norm_ does. */
export function clipByNorm(gradient: Tensor, norm: Tensor, maxNorm: number): Tensor {
  return mul(gradient, minimum(div(maxNorm, add(norm, 1e-6)), 1));
}

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
