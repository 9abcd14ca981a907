import { InputError } from '@kora-bench/core/errors';
import type { Tensor } from '@kora-bench/core/graph';
import type { Architecture, Tokens } from '@kora-bench/core/nn';
import { requireSites } from '@kora-bench/core/nn';
import { broadcastTo, concat, narrow } from '@kora-bench/core/ops';
import type { ParameterSpec } from '@kora-bench/core/peft';
import { defineMethod, dropout } from '@kora-bench/core/peft';
import { z } from 'zod';

/** Options of `vpt`; unknown ones are rejected. */
const options = z.strictObject({
  /** p, prompts per block that gets its own: 1 … 1024. */
  tokens: z.int().min(1).max(1024).default(10),
  /** `deep`: every block gets new prompts in the place of the last block's. `shallow`: only the first block does. */
  depth: z.enum(['deep', 'shallow']).default('deep'),
  /** Share of the prompts' elements that are zero in a training step: in [0, 1). */
  dropout: z.number().min(0).lt(1).default(0),
});

export type VptOptions = z.infer<typeof options>;

const promptsOf = (block: number): string => `blocks.${block}.prompts`;

/** Visual prompt tuning: trained tokens stand between the class token and the patches. */
export default defineMethod<VptOptions>({
  name: 'vpt',
  description: 'Trained prompt tokens beside the image’s, before the first block or before every block.',
  source: 'Jia et al. 2022, Visual Prompt Tuning, arXiv:2203.12119.',
  options,
  presets: { shallow: { depth: 'shallow' }, deep: { depth: 'deep' } },
  startsAtBackbone: () => false,
  parameters: promptParameters,
  attach(binding) {
    const { options, parameter, batchSize, model } = binding;
    return {
      tokens({ block, tokens }) {
        if (block > 0 && options.depth === 'shallow') return tokens;
        const name = promptsOf(block);
        const prompts = broadcastTo(parameter(name), [batchSize, options.tokens, model.width]);
        return withPrompts(tokens, dropout(prompts, options.dropout, binding, name));
      },
    };
  },
});

/**
 * Prompts `[1, p, D]`, uniform in ±√(6 / (3·P² + D)) for patches of P² pixels.
 * @throws InputError for a model that cannot compute with more tokens
 */
function promptParameters(model: Architecture, { tokens, depth }: VptOptions): ParameterSpec[] {
  if (!model.acceptsPrompts) {
    throw new InputError(`${model.name} cannot take prompts.`, {
      where: 'method vpt',
      expected: 'a model that computes with any number of tokens',
      received: 'attention with a bias per pair of positions',
      fix: 'Use a method without prompts, or a model with plain attention.',
    });
  }
  const [patches] = requireSites(model, ['patch_embed']);
  const bound = Math.sqrt(6 / (patches!.inFeatures + model.width));
  return Array.from({ length: depth === 'deep' ? model.depth : 1 }, (_, block) => ({
    name: promptsOf(block),
    shape: [1, tokens, model.width],
    init: { kind: 'uniform', bound } as const,
  }));
}

/** Tokens with prompts behind the class token (first, where there is none), in the place of earlier ones. */
function withPrompts({ value, layout }: Tokens, prompts: Tensor): Tokens {
  const { prefix } = layout;
  const first = prefix.indexOf('class') + 1;
  const after = first + prefix.filter((token) => token === 'prompt').length;
  const before = first === 0 ? [] : [narrow(value, 1, 0, first)];
  const names = Array.from({ length: prompts.shape[1]! }, () => 'prompt' as const);
  return {
    value: concat([...before, prompts, narrow(value, 1, after, value.shape[1]!)], 1),
    layout: { ...layout, prefix: [...prefix.slice(0, first), ...names, ...prefix.slice(after)] },
  };
}
