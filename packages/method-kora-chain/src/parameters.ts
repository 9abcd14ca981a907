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

/** Where a read-out’s matrix F stands: of the whole chain, or of one link. */
export function readOutName(index: number, { readOut }: Pick<KoraChainOptions, 'readOut'>): string {
  return readOut === 'each' ? `${finalProjection}.${index}` : finalProjection;
}

/**
 * Per layer: A_i `[r, in]`, B_i `[out, r]`, P_i `[d_comp, out]` and Φ_i `[d_comp, d_comp]` with bias; Ψ_i of
 * the same shape between neighbours, one fewer; F `[D, d_comp]` with bias f `[D]`, or one F_i for each link. A and B
 * start as in LoRA, everything else as PyTorch's nn.Linear does, unless the options say otherwise.
 */
export function koraChainParameters(model: Architecture, options: KoraChainOptions): ParameterSpec[] {
  const { rank, dComp, links, normalize, start, readOut } = options;
  const layers = adaptedLayers(model);
  // Biases would add up over residual links, and take an orthogonal chain off 0, where alone it keeps a gradient's size.
  const startsSilent = start === 'orthogonal' || (links === 'residual' && !normalize);
  const weight = (name: string, out: number, fanIn: number): ParameterSpec => ({
    name: `${name}.weight`,
    shape: [out, fanIn],
    init: linearInit,
  });
  const bias = (name: string, out: number): ParameterSpec => ({
    name: `${name}.bias`,
    shape: [out],
    init: { kind: 'uniformFanIn', fanIn: dComp },
  });
  const link = (name: string): ParameterSpec[] => [
    weight(name, dComp, dComp),
    { ...bias(name, dComp), ...(startsSilent && { init: { kind: 'zeros' } }) },
    ...(normalize
      ? [{ name: `${name}.norm.weight`, shape: [dComp], init: { kind: 'constant', value: 1 } as const }]
      : []),
  ];
  const lastLink = layers.length - 1;
  return [
    ...layers.flatMap(({ name, inFeatures, outFeatures }): ParameterSpec[] => [
      { name: `${name}.lora_A`, shape: [rank, inFeatures], init: linearInit },
      { name: `${name}.lora_B`, shape: [outFeatures, rank], init: { kind: 'zeros' } },
      weight(`${name}.project`, dComp, outFeatures),
    ]),
    ...linkNames(layers.length).flatMap(link),
    ...layers
      .slice(readOut === 'each' ? 0 : lastLink)
      .map(({ index }) => weight(readOutName(index, options), model.featureWidth, dComp)),
    bias(finalProjection, model.featureWidth),
  ];
}

/** Φ of every layer and Ψ between neighbours. */
export function linkNames(layers: number): string[] {
  return [
    ...Array.from({ length: layers }, (_, index) => `phi.${index}`),
    ...Array.from({ length: layers - 1 }, (_, index) => `psi.${index}`),
  ];
}
