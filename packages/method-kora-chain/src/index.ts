import type { Tensor } from '@kora-bench/core/graph';
import { add, gelu, linear, mean, mul } from '@kora-bench/core/ops';
import type { MethodBinding, MethodCaveat, MethodHooks } from '@kora-bench/core/peft';
import { defineMethod, lowRankDelta } from '@kora-bench/core/peft';
import type { KoraChainOptions } from './options.js';
import { optionsSchema } from './options.js';
import { adaptedLayers, finalProjection, koraChainParameters } from './parameters.js';

export type { KoraChainOptions } from './options.js';

const frozenProjection: MethodCaveat = {
  code: 'FROZEN_PROJECTION',
  message:
    'The final projection F keeps its random start and is not counted, as published: all that the adapters ' +
    'learn reaches the class token through a random matrix. Set trainFinalProjection: true to train it.',
};

const vanishingChain: MethodCaveat = {
  code: 'VANISHING_CHAIN',
  message:
    'Every link of the chain shrinks the gradient about tenfold at the start: with the 48 links of a ViT of ' +
    '12 blocks, the adapters of the first blocks receive gradients that float32 cannot hold, and only the ' +
    'last blocks can learn. Judge the method as an adapter of the last blocks.',
};

/**
 * KoRA as its published code computes it. With u_i the input of linear layer i in the unmodified frozen
 * backbone:
 *
 *     p_i    = mean over tokens( u_i · A_iᵀ · B_iᵀ · P_iᵀ )                          [B, d_comp]
 *     c_0    = Φ_0(p_0);   c_i = Φ_i( p_i + Ψ_{i−1}(c_{i−1}) )                      Φ, Ψ: linear, then GELU
 *     cls'   = cls + α · (c_last · Fᵀ + f)                                          after the last norm
 *
 * No layer's value changes before the class token leaves the model, so what the adapters read does not
 * depend on them.
 */
export default defineMethod<KoraChainOptions>({
  name: 'kora-chain',
  description:
    'Adapters beside a frozen backbone, chained by Ψ and Φ into one delta of the final class token.',
  source: 'KoRA: Kolmogorov-inspired Compositional Adapters, the published code (figure 2b).',
  options: optionsSchema,
  presets: {
    published: { rank: 8, alpha: 1, dComp: 4, trainFinalProjection: false },
    'published-d8': { rank: 8, alpha: 1, dComp: 8, trainFinalProjection: false },
  },
  parameters: koraChainParameters,
  uncounted: (name, { trainFinalProjection }) => !trainFinalProjection && isFinalProjection(name),
  stages: ({ trainFinalProjection }) => [
    { name: 'train', trains: (name) => trainFinalProjection || !isFinalProjection(name), share: 1 },
  ],
  startsAtBackbone: () => false,
  attach: attachChain,
  caveats: ({ trainFinalProjection }) =>
    trainFinalProjection ? [vanishingChain] : [frozenProjection, vanishingChain],
});

function isFinalProjection(name: string): boolean {
  return name.startsWith(`${finalProjection}.`);
}

function attachChain({ model, options, parameter }: MethodBinding<KoraChainOptions>): MethodHooks {
  const order = new Map(adaptedLayers(model).map(({ name, index }) => [name, index]));
  const dense = (name: string, x: Tensor) =>
    linear(x, parameter(`${name}.weight`), parameter(`${name}.bias`));
  let composed: Tensor | undefined;
  const chain: MethodHooks['value'] = ({ name, kind, input, value }) => {
    if (kind === 'features') return add(value, mul(dense(finalProjection, composed!), options.alpha));
    const index = order.get(name);
    if (index === undefined) return value;
    const delta = lowRankDelta(input, parameter(`${name}.lora_A`), parameter(`${name}.lora_B`), 1);
    const pooled = mean(linear(delta, parameter(`${name}.project.weight`)), { axes: [1] });
    const coupled = composed === undefined ? pooled : add(pooled, gelu(dense(`psi.${index - 1}`, composed)));
    composed = gelu(dense(`phi.${index}`, coupled));
    return value;
  };
  return { value: chain };
}
