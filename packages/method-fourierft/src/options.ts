import { InputError } from '@kora-bench/core/errors';
import type { Architecture, SiteSpec } from '@kora-bench/core/nn';
import type { LinearSite } from '@kora-bench/core/peft';
import { linearTargets, targetLayers } from '@kora-bench/core/peft';
import { z } from 'zod';

/** Options of `fourierft`; unknown ones are rejected. */
export const optionsSchema = z.strictObject({
  /** n, the Fourier coefficients that train in each layer: 1 … out·in. */
  frequencies: z.int().min(1).default(1000),
  /**
   * The factor s on the inverse transform, or `relative`: out·in·√(2/(n·in)), with which coefficients of N(0, 1) make
   * an update whose elements have the variance 1/in.
   */
  scaling: z.union([z.literal('relative'), z.number().positive()]).default('relative'),
  /** How coefficients start: at zero, or as N(0, 1). */
  init: z.enum(['zeros', 'normal']).default('zeros'),
  /** Seed of the frequencies, independent of a run's seed: peft's `random_loc_seed`, 0 … 2³² − 1. */
  locationSeed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .default(777),
  /** Layers of every block that get an update; `all-linear` is qkv, proj, fc1 and fc2. */
  targets: linearTargets.default(['attn.q', 'attn.v']),
});

export type FourierftOptions = z.infer<typeof optionsSchema>;

/** The name of a layer's coefficients `[n]`, as peft ends it. */
export const coefficientsName = ({ name }: SiteSpec): string => `${name}.fourierft_spectrum`;

/** s, the factor on a layer's inverse transform, whose own factor is 1/(out·in). */
export function scalingOf(
  { inFeatures, outFeatures }: SiteSpec,
  { frequencies, scaling }: FourierftOptions,
): number {
  if (scaling !== 'relative') return scaling;
  return outFeatures * inFeatures * Math.sqrt(2 / (frequencies * inFeatures));
}

/** The adapted layers. @throws InputError for a layer that has fewer elements than it would get frequencies */
export function adaptedLayers(model: Architecture, { frequencies, targets }: FourierftOptions): LinearSite[] {
  const layers = targetLayers(model, targets);
  const small = layers.find(({ inFeatures, outFeatures }) => frequencies > inFeatures * outFeatures);
  if (small === undefined) return layers;
  const { name, inFeatures, outFeatures } = small;
  throw new InputError(`${frequencies} frequencies are more than the layer ${name} has.`, {
    where: 'options.frequencies',
    expected: `at most ${outFeatures * inFeatures}, the elements of ${name} [${outFeatures}, ${inFeatures}]`,
    received: String(frequencies),
    fix: 'Lower frequencies, or leave the layer out of the targets.',
  });
}
