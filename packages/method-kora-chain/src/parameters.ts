import type { Architecture, SiteSpec } from '@kora-bench/core/nn';
import { requireSites } from '@kora-bench/core/nn';
import type { ParameterSpec } from '@kora-bench/core/peft';
import { linearInit } from '@kora-bench/core/peft';
import type { KoraChainOptions } from './options.js';

/** One adapted layer. */
export interface AdaptedLayer extends SiteSpec {
  /** Position in the chain, from 0 in the order of the forward pass. */
  readonly index: number;
}

/** Every linear layer of the blocks in the order of the forward pass: 4 per block. */
export function adaptedLayers(model: Architecture): AdaptedLayer[] {
  const sites = requireSites(model, ['attn.qkv', 'attn.proj', 'mlp.fc1', 'mlp.fc2']);
  return sites.map((site, index) => ({ ...site, index }));
}

/** Prefix of F and f. */
export const finalProjection = 'final_projection';

/**
 * Per layer: A_i `[r, in]`, B_i `[out, r]`, P_i `[d_comp, out]` and Φ_i `[d_comp, d_comp]` with bias; Ψ_i of
 * the same shape between neighbours, one fewer; F `[D, d_comp]` with bias f `[D]`. A and B start as in
 * LoRA, everything else as PyTorch's nn.Linear does.
 */
export function koraChainParameters(model: Architecture, { rank, dComp }: KoraChainOptions): ParameterSpec[] {
  const layers = adaptedLayers(model);
  const weight = (name: string, out: number, fanIn: number): ParameterSpec => ({
    name: `${name}.weight`,
    shape: [out, fanIn],
    init: linearInit,
  });
  const dense = (name: string, out: number): ParameterSpec[] => [
    weight(name, out, dComp),
    { name: `${name}.bias`, shape: [out], init: { kind: 'uniformFanIn', fanIn: dComp } },
  ];
  return [
    ...layers.flatMap(({ name, inFeatures, outFeatures }): ParameterSpec[] => [
      { name: `${name}.lora_A`, shape: [rank, inFeatures], init: linearInit },
      { name: `${name}.lora_B`, shape: [outFeatures, rank], init: { kind: 'zeros' } },
      weight(`${name}.project`, dComp, outFeatures),
    ]),
    ...layers.flatMap(({ index }) => dense(`phi.${index}`, dComp)),
    ...layers.slice(1).flatMap(({ index }) => dense(`psi.${index - 1}`, dComp)),
    ...dense(finalProjection, model.featureWidth),
  ];
}
