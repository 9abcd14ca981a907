import type { SiteSpec } from './site.js';
import { fc1Width, type VitConfig, vitWeights } from './vit-config.js';
import { plainVit } from './vit-variant.js';

/**
 * The sites of a Vision Transformer, in the order of the forward pass. Those without a layer of their own are places
 * between layers: `pos_embed` all tokens with their positions, `input` and `output` of a block, `attn.context` the
 * heads' values before the projection, `attn` and `mlp` what is added to the residual stream (they read the stream
 * before the norm), `attn.residual` the stream between the two, `mlp.act` the hidden activation, `features` the
 * pooled features.
 */
export function vitSites(config: VitConfig): readonly SiteSpec[] {
  const { width, heads, mlpWidth, patchSize, depth, ...variant } = { ...plainVit, ...config };
  const weights = vitWeights(config);
  const between = (kind: string, inFeatures = width, outFeatures = inFeatures) => ({
    kind,
    inFeatures,
    outFeatures,
  });
  const norm = (kind: string, name: string, features = width) => ({
    ...between(kind, features),
    weight: `${name}.weight`,
    bias: `${name}.bias`,
  });
  const dense = (kind: string, name: string, inFeatures: number, outFeatures: number) => ({
    ...between(kind, inFeatures, outFeatures),
    weight: `${name}.weight`,
    ...(weights.has(`${name}.bias`) && { bias: `${name}.bias` }),
  });
  const part = (kind: string, qkv: string, index: number) => ({
    ...dense(kind, qkv, width, width),
    rows: [index * width, (index + 1) * width] as const,
  });
  const scale = (kind: string, name: string) => ({ ...between(kind), weight: `${name}.gamma` });
  const outside = (spec: Omit<SiteSpec, 'name'>): SiteSpec => ({ ...spec, name: spec.kind });
  const hidden = fc1Width(config);
  const block = (index: number): SiteSpec[] => {
    const name = `blocks.${index}`;
    const qkv = `${name}.attn.qkv`;
    const qkNorm = (kind: string) => norm(kind, `${name}.${kind}`, width / heads);
    return [
      between('input'),
      norm('norm1', `${name}.norm1`),
      dense('attn.qkv', qkv, width, 3 * width),
      part('attn.q', qkv, 0),
      part('attn.k', qkv, 1),
      part('attn.v', qkv, 2),
      ...(variant.qkNorm ? [qkNorm('attn.q_norm'), qkNorm('attn.k_norm')] : []),
      between('attn.context'),
      dense('attn.proj', `${name}.attn.proj`, width, width),
      ...(variant.layerScale ? [scale('ls1', `${name}.ls1`)] : []),
      between('attn'),
      between('attn.residual'),
      norm('norm2', `${name}.norm2`),
      dense('mlp.fc1', `${name}.mlp.fc1`, width, hidden),
      between('mlp.act', hidden, mlpWidth),
      dense('mlp.fc2', `${name}.mlp.fc2`, mlpWidth, width),
      ...(variant.layerScale ? [scale('ls2', `${name}.ls2`)] : []),
      between('mlp'),
      between('output'),
    ].map((spec) => ({ ...spec, name: `${name}.${spec.kind}`, block: index }));
  };
  const pool = [
    dense('attn_pool.q', 'attn_pool.q', width, width),
    dense('attn_pool.kv', 'attn_pool.kv', width, 2 * width),
    dense('attn_pool.proj', 'attn_pool.proj', width, width),
    norm('attn_pool.norm', 'attn_pool.norm'),
    dense('attn_pool.mlp.fc1', 'attn_pool.mlp.fc1', width, mlpWidth),
    between('attn_pool.mlp.act', mlpWidth),
    dense('attn_pool.mlp.fc2', 'attn_pool.mlp.fc2', mlpWidth, width),
  ];
  return [
    outside(dense('patch_embed', 'patch_embed.proj', 3 * patchSize ** 2, width)),
    outside(between('pos_embed')),
    ...(variant.preNorm ? [outside(norm('norm_pre', 'norm_pre'))] : []),
    ...Array.from({ length: depth }, (_, index) => block(index)).flat(),
    ...(variant.lastNorm === 'tokens' ? [outside(norm('norm', 'norm'))] : []),
    ...(variant.pool === 'map' ? pool.map(outside) : []),
    ...(variant.lastNorm === 'pooled' ? [outside(norm('fc_norm', 'fc_norm'))] : []),
    outside(between('features')),
  ];
}
