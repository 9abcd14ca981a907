import type { Architecture, SiteSpec } from '@kora-bench/core/nn';
import { requireSites } from '@kora-bench/core/nn';
import { mul, reshape } from '@kora-bench/core/ops';
import { defineMethod, linearLayers, linearTargetList } from '@kora-bench/core/peft';
import { z } from 'zod';

/** Options of `ia3`; unknown ones are rejected. */
const options = z
  .strictObject({
    /** Layers with scales. */
    targets: linearTargetList.default(['attn.k', 'attn.v', 'mlp.fc2']),
    /** Those of them whose inputs are scaled, instead of their outputs; absent: `mlp.fc2`, where it is a target. */
    feedforward: linearLayers.optional(),
  })
  .refine(({ targets, feedforward = [] }) => feedforward.every((name) => targets.includes(name)), {
    path: ['feedforward'],
    error: 'names a layer that is not among the targets',
  });

export type Ia3Options = z.infer<typeof options>;

const scaleOf = ({ name }: SiteSpec): string => `${name}.ia3_l`;

/** (IA)³: keys, values and the MLP's hidden features are multiplied by vectors that train. */
export default defineMethod<Ia3Options>({
  name: 'ia3',
  description: 'Keys, values and the MLP’s hidden features are scaled.',
  source:
    'Liu et al. 2022, Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper than In-Context Learning, arXiv:2205.05638.',
  options,
  presets: {
    published: { targets: ['attn.k', 'attn.v', 'mlp.fc2'], feedforward: ['mlp.fc2'] },
    attention: { targets: ['attn.k', 'attn.v'] },
  },
  parameters: (model, options) =>
    scaledLayers(model, options).map(({ site, ofInput }) => ({
      name: scaleOf(site),
      shape: [ofInput ? site.inFeatures : site.outFeatures],
      init: { kind: 'constant', value: 1 },
      // It would pull the scales to 0.
      update: { weightDecay: 0 },
    })),
  attach({ model, options, parameter }) {
    const scaled = new Map(
      scaledLayers(model, options).map(({ site, ofInput }) => [site.name, ofInput] as const),
    );
    return {
      weight(site, weight) {
        const ofInput = scaled.get(site.name);
        if (ofInput === undefined) return weight;
        const shape = ofInput ? [1, site.inFeatures] : [site.outFeatures, 1];
        return mul(weight, reshape(parameter(scaleOf(site)), shape));
      },
      bias: (site, bias) => (scaled.get(site.name) === false ? mul(bias, parameter(scaleOf(site))) : bias),
    };
  },
});

/** The scaled layers, and whether it is their input that is scaled. @throws InputError for a layer that is not there */
function scaledLayers(model: Architecture, { targets, feedforward = ['mlp.fc2'] }: Ia3Options) {
  return requireSites(model, targets).map((site) => ({
    site,
    ofInput: feedforward.some((kind) => kind === site.kind),
  }));
}
