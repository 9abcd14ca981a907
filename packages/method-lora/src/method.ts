import { add } from '@kora-bench/core/ops';
import { defineMethod, lowRankDelta } from '@kora-bench/core/peft';
import { mergeLora } from './merge.js';
import type { LoraOptions } from './options.js';
import { optionsSchema, scaleOf } from './options.js';
import { adaptedLayers, loraParameters, matrixA, matrixB } from './parameters.js';

/** LoRA: every adapted layer gives `W·x + scale·B·A·x`, with W frozen. */
export const lora = defineMethod<LoraOptions>({
  name: 'lora',
  description: 'A low-rank update beside every chosen linear layer.',
  source: 'Hu et al. 2022, LoRA: Low-Rank Adaptation of Large Language Models, arXiv:2106.09685.',
  options: optionsSchema,
  presets: {
    published: { rank: 8, alpha: 1, scaling: 'alpha', targets: 'all-linear', includeUnusedClassifier: true },
    peft: { rank: 8, alpha: 8, scaling: 'alpha/r', targets: ['attn.qkv'], includeUnusedClassifier: false },
  },
  parameters: loraParameters,
  attach({ model, options, parameter }) {
    const adapted = new Set(adaptedLayers(model, options).map(({ name }) => name));
    const scale = scaleOf(options);
    return {
      value({ name, input, value }) {
        if (!adapted.has(name)) return value;
        const [a, b] = [parameter(`${name}.${matrixA}`), parameter(`${name}.${matrixB}`)];
        return add(value, lowRankDelta(input, a, b, scale));
      },
    };
  },
  merge: mergeLora,
});
