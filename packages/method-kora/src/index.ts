import type { MethodHooks } from '@kora-bench/core/peft';
import { composeDeltas, defineMethod, gated, lowRankDelta } from '@kora-bench/core/peft';
import type { KoraOptions } from './options.js';
import { optionsSchema } from './options.js';
import { blockPrefix, koraParameters, projections } from './parameters.js';

export type { KoraOptions } from './options.js';

/**
 * KoRA as described: in every block, v receives `g · W2·gelu(W1·[δ_q ; δ_k ; δ_v] + b1) + b2` with
 * `δ_s = (α/r)·x·A_sᵀ·B_sᵀ` of the qkv layer's input x `[B, N, D]`; q and k stay as they are. The gate g
 * starts at zero, so training starts from the backbone's own forward pass.
 */
export default defineMethod<KoraOptions>({
  name: 'kora',
  description: 'Composed q, k and v adapters, added to v through a learnable gate.',
  source: 'KoRA: Kolmogorov-inspired Compositional Adapters, the published description (figure 1).',
  options: optionsSchema,
  presets: { published: { rank: 8, alpha: 1, dComp: 4 } },
  parameters: koraParameters,
  attach({ options, parameter }) {
    const scale = options.alpha / options.rank;
    const value: MethodHooks['value'] = (site) => {
      if (site.kind !== 'attn.v') return site.value;
      const own = (name: string) => parameter(`${blockPrefix(site.block!)}.${name}`);
      const deltas = projections.map((part) =>
        lowRankDelta(site.input, own(`${part}.lora_A`), own(`${part}.lora_B`), scale),
      );
      const composed = composeDeltas(deltas, {
        w1: own('compose.fc1.weight'),
        b1: own('compose.fc1.bias'),
        w2: own('compose.fc2.weight'),
        b2: own('compose.fc2.bias'),
      });
      return gated(site.value, composed, own('gate'));
    };
    return { value };
  },
});
