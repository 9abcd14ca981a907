import { add } from '@kora-bench/core/ops';
import { defineMethod, dropout, lowRankDelta } from '@kora-bench/core/peft';
import { mergeLora } from './merge.js';
import type { LoraOptions } from './options.js';
import { optionsSchema } from './options.js';
import { adaptedLayers, loraParameters, matrixA, matrixB, trainsBias } from './parameters.js';
import { loraForm } from './peft-form.js';
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
  trainsBackbone: trainsBias,
  attach(binding) {
    const { model, options, parameter } = binding;
    const scales = new Map(adaptedLayers(model, options).map(({ name, scale }) => [name, scale]));
    return {
      value({ name, input, value }) {
        const scale = scales.get(name);
        if (scale === undefined) return value;
        const [a, b] = [parameter(`${name}.${matrixA}`), parameter(`${name}.${matrixB}`)];
        const read = dropout(input, options.dropout, binding, name);
        return add(value, lowRankDelta(read, a, b, scale));
      },
    };
  },
  initialize: (context) => (context.options.init === 'pissa' ? pissaStart(context) : new Map()),
  merge: mergeLora,
  peft: loraForm,
});
