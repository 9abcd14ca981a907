import { add } from '@kora-bench/core/ops';
import { defineMethod, dropout, lowRankDelta } from '@kora-bench/core/peft';
import { mergeLora } from './merge.js';
import type { LoraOptions } from './options.js';
import { optionsSchema, scaleOf } from './options.js';
import { adaptedLayers, loraParameters, matrixA, matrixB } from './parameters.js';
import { pissaStart } from './pissa.js';

/** LoRA: every adapted layer gives `W·x + scale·B·A·x`, with W frozen. */
export const lora = defineMethod<LoraOptions>({
  name: 'lora',
  description: 'A low-rank update beside every chosen linear layer.',
  source: 'Hu et al. 2022, LoRA: Low-Rank Adaptation of Large Language Models, arXiv:2106.09685.',
  options: optionsSchema,
  presets: {
    published: { rank: 8, alpha: 1, scaling: 'alpha', targets: 'all-linear', includeUnusedClassifier: true },
    peft: { rank: 8, alpha: 8, scaling: 'alpha/r', targets: ['attn.qkv'], includeUnusedClassifier: false },
    rslora: { scaling: 'alpha/sqrt(r)' },
    'lora-plus': { loraPlus: 16 },
    pissa: { init: 'pissa' },
  },
  parameters: loraParameters,
  attach(binding) {
    const { model, options, parameter } = binding;
    const adapted = new Set(adaptedLayers(model, options).map(({ name }) => name));
    const scale = scaleOf(options);
    return {
      value({ name, input, value }) {
        if (!adapted.has(name)) return value;
        const [a, b] = [parameter(`${name}.${matrixA}`), parameter(`${name}.${matrixB}`)];
        const read = dropout(input, options.dropout, binding, name);
        return add(value, lowRankDelta(read, a, b, scale));
      },
    };
  },
  initialize: (context) => (context.options.init === 'pissa' ? pissaStart(context) : new Map()),
  merge: mergeLora,
});
