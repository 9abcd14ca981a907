import type { Tensor } from '@kora-bench/core/graph';
import { add, div, gelu, linear, mean, mul, sqrt } from '@kora-bench/core/ops';
import type { MethodBinding, MethodCaveat, MethodHooks } from '@kora-bench/core/peft';
import { defineMethod, lowRankDelta } from '@kora-bench/core/peft';
import type { KoraChainOptions } from './options.js';
import { optionsSchema } from './options.js';
import { orthogonalStart } from './orthogonal-start.js';
import { adaptedLayers, finalProjection, koraChainParameters, readOutName } from './parameters.js';

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
 * Four options mend the gradient that shrinks from link to link: residual links, an RMS norm behind Φ and Ψ, an
 * orthogonal start of them, and a read-out F_i of every link, `cls' = cls + α · (mean of c_i · F_iᵀ + f)`.
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
    residual: { links: 'residual' },
    normalized: { normalize: true, dComp: 8 },
    orthogonal: { start: 'orthogonal' },
    'read-out': { readOut: 'each' },
  },
  parameters: koraChainParameters,
  uncounted: (name, { trainFinalProjection }) => !trainFinalProjection && isFinalProjection(name),
  stages: ({ trainFinalProjection }) => [
    { name: 'train', trains: (name) => trainFinalProjection || !isFinalProjection(name), share: 1 },
  ],
  startsAtBackbone: () => false,
  initialize: orthogonalStart,
  attach: attachChain,
  caveats: (options) => [
    ...(options.trainFinalProjection ? [] : [frozenProjection]),
    ...(isMended(options) ? [] : [vanishingChain]),
  ],
});

function isFinalProjection(name: string): boolean {
  return name.startsWith(`${finalProjection}.`);
}

/** Whether gradients of a useful size reach the first block at the start. A norm of 4 numbers takes too many of them. */
function isMended({ links, normalize, dComp, start, readOut }: KoraChainOptions): boolean {
  return links === 'residual' || start === 'orthogonal' || readOut === 'each' || (normalize && dComp >= 8);
}

function attachChain({ model, options, parameter }: MethodBinding<KoraChainOptions>): MethodHooks {
  const { alpha, links, normalize, readOut } = options;
  const order = new Map(adaptedLayers(model).map(({ name, index }) => [name, index]));
  const link = (name: string, x: Tensor) => {
    const active = gelu(linear(x, parameter(`${name}.weight`), parameter(`${name}.bias`)));
    return normalize ? rmsNorm(active, parameter(`${name}.norm.weight`)) : active;
  };
  let composed: Tensor | undefined;
  let readSoFar: Tensor | undefined;
  const readOutOf = (index: number): Tensor => {
    const weight = parameter(`${readOutName(index, options)}.weight`);
    const bias = index === order.size - 1 ? [parameter(`${finalProjection}.bias`)] : [];
    return readOut === 'each'
      ? linear(mul(composed!, 1 / order.size), weight, ...bias)
      : linear(composed!, weight, ...bias);
  };
  const chain: MethodHooks['value'] = ({ name, kind, input, value }) => {
    if (kind === 'features') {
      const last = readOutOf(order.size - 1);
      return add(value, mul(readSoFar ? add(readSoFar, last) : last, alpha));
    }
    const index = order.get(name);
    if (index === undefined) return value;
    const delta = lowRankDelta(input, parameter(`${name}.lora_A`), parameter(`${name}.lora_B`), 1);
    const pooled = mean(linear(delta, parameter(`${name}.project.weight`)), { axes: [1] });
    const coupled = composed === undefined ? pooled : add(pooled, link(`psi.${index - 1}`, composed));
    const made = link(`phi.${index}`, coupled);
    composed = links === 'residual' && composed !== undefined ? add(composed, made) : made;
    if (readOut === 'each' && index < order.size - 1) {
      const read = readOutOf(index);
      readSoFar = readSoFar ? add(readSoFar, read) : read;
    }
    return value;
  };
  return { value: chain };
}

/** `γ ∘ x / √(mean of x² + 1e-6)` over the last axis. */
function rmsNorm(x: Tensor, gamma: Tensor): Tensor {
  const size = sqrt(add(mean(mul(x, x), { axes: [x.rank - 1], keepDims: true }), 1e-6));
  return mul(div(x, size), gamma);
}
