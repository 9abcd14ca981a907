import { InputError } from '@kora-bench/core/errors';
import type { Architecture } from '@kora-bench/core/nn';
import { defineMethod, layerList } from '@kora-bench/core/peft';
import { z } from 'zod';

/** Options of `bitfit`; unknown ones are rejected. */
const options = z.strictObject({
  /**
   * Layers whose biases train: all that have one, or a list of timm's names within a block and outside
   * (`norm1`, `attn.qkv`, `attn.proj`, `norm2`, `mlp.fc1`, `mlp.fc2`; `patch_embed.proj`, `norm`).
   */
  layers: z.union([z.literal('all'), layerList(z.string().min(1)).min(1)]).default('all'),
});

export type BitfitOptions = z.infer<typeof options>;

/** The layer that a bias belongs to, the same in all blocks; `undefined` for weights that are no bias. */
function layerOf(weight: string): string | undefined {
  return /^(?:blocks\.\d+\.)?(.+)\.bias$/.exec(weight)?.[1];
}

/** BitFit: the backbone's biases train, and the new head. Nothing is added. */
export default defineMethod<BitfitOptions>({
  name: 'bitfit',
  description: 'The backbone’s biases train, nothing else of it.',
  source: 'Ben Zaken et al. 2022, BitFit: Simple Parameter-efficient Fine-tuning, arXiv:2106.10199.',
  options,
  presets: {
    published: { layers: 'all' },
    linear: { layers: ['attn.qkv', 'attn.proj', 'mlp.fc1', 'mlp.fc2'] },
  },
  parameters(model, { layers }) {
    requireBiases(model, layers);
    return [];
  },
  trainsBackbone(name, { layers }) {
    const layer = layerOf(name);
    return layer !== undefined && (layers === 'all' || layers.includes(layer));
  },
});

/** @throws InputError naming a layer without a bias */
function requireBiases({ name, weights }: Architecture, layers: BitfitOptions['layers']): void {
  const biased = new Set([...weights.keys()].flatMap((weight) => layerOf(weight) ?? []));
  const missing = layers === 'all' ? biased.size === 0 : layers.find((layer) => !biased.has(layer));
  if (missing === false || missing === undefined) return;
  throw new InputError(
    missing === true ? `${name} has no biases.` : `${name} has no bias in a layer "${missing}".`,
    {
      where: 'method bitfit: layers',
      expected: biased.size === 0 ? 'a model with biases' : [...biased].join(', '),
      received: missing === true ? name : String(missing),
      fix:
        biased.size === 0 ? 'Use another method for this model.' : 'Name layers that have a bias, or "all".',
    },
  );
}
