import type { Tensor } from '@kora-bench/core/graph';
import type { MethodBinding, MethodHooks } from '@kora-bench/core/peft';
import { basisDelta, basisWeights, defineMethod, gated, gridsFromData } from '@kora-bench/core/peft';
import { makeComposer, projections } from './composition.js';
import type { KoraOptions } from './options.js';
import { optionsSchema } from './options.js';
import { blockPrefix, griddedAdapters, koraParameters, nameOfA, targetSites } from './parameters.js';

export type { KoraOptions } from './options.js';

/**
 * KoRA as described: in every block, v receives `g · W2·gelu(W1·[δ_q ; δ_k ; δ_v] + b1) + b2` with
 * `δ_s = (α/r)·x·A_sᵀ·B_sᵀ` of the qkv layer's input x `[B, N, D]`; q and k stay as they are. The gate g
 * starts at zero, so training starts from the backbone's own forward pass. Options replace each of its parts.
 */
export default defineMethod<KoraOptions>({
  name: 'kora',
  description: 'Composed q, k and v adapters, added to v through a learnable gate.',
  source: 'KoRA: Kolmogorov-inspired Compositional Adapters, the published description (figure 1).',
  options: optionsSchema,
  presets: {
    published: { rank: 8, alpha: 1, dComp: 4 },
    attention: { composition: 'attention' },
    'cross-block': { composition: 'cross-block' },
    bspline: { basis: 'bspline' },
  },
  parameters: koraParameters,
  startsAtBackbone: ({ init, gateStart }) => init === 'dead' || gateStart === 0,
  initialize: ({ model, options, ...shown }) =>
    options.grid === 'data' ? gridsFromData(shown, griddedAdapters(model, options)) : new Map(),
  attach: attachKora,
});

function attachKora({ options, parameter }: MethodBinding<KoraOptions>): MethodHooks {
  const scale = options.alpha / options.rank;
  const targets = targetSites(options);
  const compose = makeComposer(options);
  /** What the qkv layers of blocks read, and what comes of it. */
  const read = new Map<number, Tensor>();
  const composed = new Map<number, Tensor>();
  const inBlock = (block: number) => (name: string) => parameter(`${blockPrefix(block)}.${name}`);
  const deltaOf = (block: number, part: string) => {
    const own = inBlock(block);
    const weights = {
      a: own(nameOfA(part, options)),
      b: own(`${part}.lora_B`),
      ...basisWeights(part, options, own),
    };
    return basisDelta(read.get(block)!, weights, options, scale);
  };
  const composedOf = (block: number) => {
    const known = composed.get(block);
    if (known !== undefined) return known;
    const deltas = projections.map((part) => deltaOf(block, part));
    const made = compose(deltas, inBlock(block));
    composed.set(block, made);
    return made;
  };
  const gateOf = (block: number, name: string) => {
    if (options.gate === 'none') return 1;
    return options.gate === 'frozen' ? options.gateStart! : inBlock(block)(name);
  };
  return {
    value({ kind, block, input, value }) {
      if (kind === 'attn.qkv') read.set(block!, input);
      const gateName = targets.get(kind);
      if (gateName === undefined) return value;
      const delta =
        options.target === 'own' ? deltaOf(block!, kind.replace('attn.', '')) : composedOf(block!);
      return gated(value, delta, gateOf(block!, gateName));
    },
  };
}
