import { add, lowRankDelta } from '@kora-bench/core';
import { z } from 'zod';

const layers = ['attn.qkv', 'attn.proj', 'mlp.fc1', 'mlp.fc2'];

/** Low-rank adapters on all linear layers. */
const lora = {
  name: 'lora',
  description: 'low-rank adapters on all linear layers',
  source: 'Hu et al. 2022',
  options: z.strictObject({ rank: z.int() }),
  parameters({ depth, width, mlpWidth }, { rank }) {
    const extents = {
      'attn.qkv': [width, 3 * width],
      'attn.proj': [width, width],
      'mlp.fc1': [width, mlpWidth],
      'mlp.fc2': [mlpWidth, width],
    };
    return Array.from({ length: depth }, (_, block) =>
      layers.map((layer) => ({ layer, name: `blocks.${block}.${layer}` })),
    )
      .flat()
      .flatMap(({ layer, name }) => [
        { name: `${name}.lora_A`, shape: [rank, extents[layer][0]], init: { kind: 'normal', std: 0.05 } },
        { name: `${name}.lora_B`, shape: [extents[layer][1], rank], init: { kind: 'normal', std: 0.05 } },
      ]);
  },
  attach:
    ({ parameter }) =>
    (site) =>
      layers.includes(site.layer)
        ? add(
            site.value,
            lowRankDelta(site.input, parameter(`${site.name}.lora_A`), parameter(`${site.name}.lora_B`), 1),
          )
        : site.value,
};

const plain = (name, description) => ({
  name,
  description,
  source: 'standard baseline',
  options: z.strictObject({}),
  parameters: () => [],
});

/** By name: the method, and whether it trains the backbone's own weights. */
export const methods = {
  lora: { definition: lora, trainsBackbone: false },
  full: { definition: plain('full', 'all weights'), trainsBackbone: true },
  'linear-probe': { definition: plain('linear-probe', 'the head alone'), trainsBackbone: false },
};
