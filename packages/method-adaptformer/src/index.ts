import type { Architecture, SiteSpec } from '@kora-bench/core/nn';
import { requireSites } from '@kora-bench/core/nn';
import { add, linear, maximum, mul } from '@kora-bench/core/ops';
import type { ParameterSpec } from '@kora-bench/core/peft';
import { defineMethod, dropout, linearInit } from '@kora-bench/core/peft';
import { z } from 'zod';

/** Options of `adaptformer`; unknown ones are rejected. */
const options = z.strictObject({
  /** Hidden width of every bottleneck: 1 … 4096. */
  bottleneck: z.int().min(1).max(4096).default(64),
  /** s: a number above 0, or `learned`, one number per block that starts at 1 and trains. */
  scale: z.union([z.number().positive(), z.literal('learned')]).default(0.1),
  /** `parallel`: the bottleneck reads what the MLP reads. `sequential`: it reads what the MLP gives. */
  form: z.enum(['parallel', 'sequential']).default('parallel'),
  /** Share of the hidden features that are zero in a training step: in [0, 1). */
  dropout: z.number().min(0).lt(1).default(0),
});

export type AdaptFormerOptions = z.infer<typeof options>;

/** AdaptFormer: every MLP gets s·Up(ReLU(Down(x))) beside it. */
export default defineMethod<AdaptFormerOptions>({
  name: 'adaptformer',
  description: 'A bottleneck with ReLU beside every MLP.',
  source:
    'Chen et al. 2022, AdaptFormer: Adapting Vision Transformers for Scalable Visual Recognition, arXiv:2205.13535.',
  options,
  presets: {
    published: { bottleneck: 64, scale: 0.1, form: 'parallel', dropout: 0.1 },
    'published-learned': { bottleneck: 64, scale: 'learned', form: 'parallel', dropout: 0.1 },
  },
  parameters: (model, options) => mlps(model).flatMap((site) => bottleneck(site, options)),
  attach(binding) {
    const { options, parameter } = binding;
    return {
      value({ name, kind, input, value }) {
        if (kind !== 'mlp') return value;
        const own = (part: string) => parameter(`${name}.${part}`);
        const read = options.form === 'parallel' ? input : value;
        const hidden = maximum(linear(read, own('down.weight'), own('down.bias')), 0);
        const kept = dropout(hidden, options.dropout, binding, name);
        const scale = options.scale === 'learned' ? own('scale') : options.scale;
        // Scaling the weights costs less than scaling what they give, and is the same.
        return add(value, linear(kept, mul(own('up.weight'), scale), mul(own('up.bias'), scale)));
      },
    };
  },
});

/** @throws InputError for a model whose blocks have no MLP */
const mlps = (model: Architecture): SiteSpec[] => requireSites(model, ['mlp']);

/** Down as PyTorch starts a linear layer, its bias and Up zero, as LoRA starts. */
function bottleneck(
  { name, inFeatures, outFeatures }: SiteSpec,
  { bottleneck: width, scale, form }: AdaptFormerOptions,
): ParameterSpec[] {
  const zeros = { kind: 'zeros' } as const;
  const read = form === 'parallel' ? inFeatures : outFeatures;
  return [
    { name: `${name}.down.weight`, shape: [width, read], init: linearInit },
    { name: `${name}.down.bias`, shape: [width], init: zeros },
    { name: `${name}.up.weight`, shape: [outFeatures, width], init: zeros },
    { name: `${name}.up.bias`, shape: [outFeatures], init: zeros },
    ...(scale === 'learned'
      ? [{ name: `${name}.scale`, shape: [], init: { kind: 'constant', value: 1 } } as const]
      : []),
  ];
}
