import { mul, reshape } from '@kora-bench/core/ops';
import { defineMethod } from '@kora-bench/core/peft';
import type { Ia3Options } from './options.js';
import { optionsSchema, scaledLayers, scaleName } from './options.js';
import { ia3Form } from './peft-form.js';

export type { Ia3Options };

/** (IA)³: keys, values and the MLP's hidden features are multiplied by vectors that train. */
export default defineMethod<Ia3Options>({
  name: 'ia3',
  description: 'Keys, values and the MLP’s hidden features are scaled.',
  source:
    'Liu et al. 2022, Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper than In-Context Learning, arXiv:2205.05638.',
  options: optionsSchema,
  presets: {
    published: { targets: ['attn.k', 'attn.v', 'mlp.fc2'], feedforward: ['mlp.fc2'] },
    attention: { targets: ['attn.k', 'attn.v'] },
  },
  parameters: (model, options) =>
    scaledLayers(model, options).map(({ site, ofInput }) => ({
      name: scaleName(site),
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
        return mul(weight, reshape(parameter(scaleName(site)), shape));
      },
      bias: (site, bias) => (scaled.get(site.name) === false ? mul(bias, parameter(scaleName(site))) : bias),
    };
  },
  peft: ia3Form,
});
