import type { Architecture, SiteSpec } from '@kora-bench/core/nn';
import { requireSites } from '@kora-bench/core/nn';
import { add, mul, reshape } from '@kora-bench/core/ops';
import type { MethodHooks, ParameterSpec } from '@kora-bench/core/peft';
import { defineMethod, layerList } from '@kora-bench/core/peft';
import { z } from 'zod';

/** Options of `ssf`; unknown ones are rejected. */
const options = z.strictObject({
  /**
   * Where features are scaled and shifted: after all linear layers and norms, or a list of the model's kinds of sites,
   * such as `patch_embed`, `norm1`, `attn.qkv`, `attn.v`, `attn.proj`, `norm2`, `mlp.fc1`, `mlp.fc2`, `norm`.
   */
  targets: z.union([z.literal('all'), layerList(z.string().min(1)).min(1)]).default('all'),
  /** Standard deviation of scales around 1 and of shifts around 0 at the start: 0 … 1. */
  std: z.number().min(0).max(1).default(0.02),
});

export type SsfOptions = z.infer<typeof options>;

const scaleOf = (site: SiteSpec): string => `${site.name}.scale`;
const shiftOf = (site: SiteSpec): string => `${site.name}.shift`;

/** Whether scale and shift can be taken into the layer's own weight and bias. */
const isInside = ({ weight, bias }: SiteSpec): boolean => weight !== undefined && bias !== undefined;

/** SSF: every layer gives γ ⊙ x + β with vectors γ and β that train. */
export default defineMethod<SsfOptions>({
  name: 'ssf',
  description: 'Features are scaled and shifted after every layer.',
  source: 'Lian et al. 2022, Scaling & Shifting Your Features, arXiv:2210.08823.',
  options,
  presets: { published: { targets: 'all', std: 0.02 } },
  startsAtBackbone: ({ std }) => std === 0,
  parameters: (model, options) => ssfSites(model, options).flatMap((site) => vectors(site, options.std)),
  attach({ model, options, parameter }): MethodHooks {
    const sites = ssfSites(model, options);
    const inside = new Set(sites.filter(isInside).map(({ name }) => name));
    const after = new Set(sites.filter((site) => !isInside(site)).map(({ name }) => name));
    return {
      weight(site, weight) {
        if (!inside.has(site.name)) return weight;
        const scale = parameter(scaleOf(site));
        return mul(weight, weight.rank === 1 ? scale : reshape(scale, [site.outFeatures, 1]));
      },
      bias: (site, bias) =>
        inside.has(site.name) ? add(mul(bias, parameter(scaleOf(site))), parameter(shiftOf(site))) : bias,
      ...(after.size > 0 && {
        value: (site) =>
          after.has(site.name)
            ? add(mul(site.value, parameter(scaleOf(site))), parameter(shiftOf(site)))
            : site.value,
      }),
    };
  },
});

/** The sites that are scaled and shifted. @throws InputError naming a kind of site that the model does not have */
function ssfSites(model: Architecture, { targets }: SsfOptions): SiteSpec[] {
  if (targets !== 'all') return requireSites(model, targets);
  return model.sites.filter((site) => {
    const weight = site.rows === undefined && site.weight !== undefined && model.weights.get(site.weight);
    // A vector without a bias is a scale of the model's own, which needs no second one.
    return weight && (weight.length > 1 || site.bias !== undefined);
  });
}

function vectors(site: SiteSpec, std: number): ParameterSpec[] {
  const shape = [site.outFeatures];
  // As timm groups parameters, vectors have no weight decay: it would pull scales to 0.
  const update = { weightDecay: 0 };
  return [
    { name: scaleOf(site), shape, init: { kind: 'normal', std, mean: 1 }, update },
    { name: shiftOf(site), shape, init: { kind: 'normal', std }, update },
  ];
}
