import type { Architecture } from '@kora-bench/core/nn';
import type { Initializer, ParameterSpec } from '@kora-bench/core/peft';
import { linearInit } from '@kora-bench/core/peft';
import type { KoraOptions } from './options.js';

/** The parts of the fused qkv layer, in its order. */
export const projections = ['q', 'k', 'v'] as const;

/** What the names of a block’s parameters begin with. */
export function blockPrefix(block: number): string {
  return `blocks.${block}.attn.kora`;
}

/**
 * Per block: A_s `[r, D]` and B_s `[D, r]` for q, k and v; W1 `[d_comp, 3D]`, b1, W2 `[D, d_comp]`, b2; the
 * gate g `[]`. Biases start at zero, so that the composed delta comes from the adapters alone.
 */
export function koraParameters({ width, depth }: Architecture, options: KoraOptions): ParameterSpec[] {
  const { rank, dComp, init } = options;
  const zeros: Initializer = { kind: 'zeros' };
  const startOfB = init === 'dead' ? zeros : linearInit;
  return Array.from({ length: depth }, (_, block) => {
    const prefix = blockPrefix(block);
    return [
      ...projections.flatMap((part) => [
        { name: `${prefix}.${part}.lora_A`, shape: [rank, width], init: linearInit },
        { name: `${prefix}.${part}.lora_B`, shape: [width, rank], init: startOfB },
      ]),
      { name: `${prefix}.compose.fc1.weight`, shape: [dComp, 3 * width], init: linearInit },
      { name: `${prefix}.compose.fc1.bias`, shape: [dComp], init: zeros },
      { name: `${prefix}.compose.fc2.weight`, shape: [width, dComp], init: linearInit },
      { name: `${prefix}.compose.fc2.bias`, shape: [width], init: zeros },
      { name: `${prefix}.gate`, shape: [], init: zeros },
    ];
  }).flat();
}
