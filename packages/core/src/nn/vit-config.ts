import type { Shape } from '../graph/shape.js';
import type { TokenLayout } from './architecture.js';
import type { SiteSpec } from './site.js';

/** The geometry of a Vision Transformer in timm's terms. */
export interface VitConfig {
  /** Registered name, e.g. `vit_tiny_patch16_224`. */
  readonly name: string;
  /** Input height and width in pixels. */
  readonly imageSize: readonly [height: number, width: number];
  /** Side of a square patch in pixels. */
  readonly patchSize: number;
  /** Embedding width D. */
  readonly width: number;
  /** Number of blocks. */
  readonly depth: number;
  readonly heads: number;
  /** Hidden width of the MLP; 4·D in the standard models. */
  readonly mlpWidth: number;
  /** Classes of the checkpoint's own classifier; 0 if it has none. */
  readonly numClasses: number;
  readonly layerNormEps: number;
}

/** The tokens of a Vision Transformer. */
export function vitTokens({ imageSize, patchSize }: VitConfig): TokenLayout {
  const grid = [Math.floor(imageSize[0] / patchSize), Math.floor(imageSize[1] / patchSize)] as const;
  return { prefix: ['class'], grid };
}

/** Names and shapes of a Vision Transformer's weights as timm stores them, without its classifier. */
export function vitWeights(config: VitConfig): ReadonlyMap<string, Shape> {
  const { width, mlpWidth, patchSize, depth } = config;
  const { prefix, grid } = vitTokens(config);
  const shapes = new Map<string, Shape>();
  const linear = (name: string, inFeatures: number, outFeatures: number) => {
    shapes.set(`${name}.weight`, [outFeatures, inFeatures]);
    shapes.set(`${name}.bias`, [outFeatures]);
  };
  const norm = (name: string) => {
    shapes.set(`${name}.weight`, [width]);
    shapes.set(`${name}.bias`, [width]);
  };
  shapes.set('cls_token', [1, 1, width]);
  shapes.set('pos_embed', [1, prefix.length + grid[0] * grid[1], width]);
  shapes.set('patch_embed.proj.weight', [width, 3, patchSize, patchSize]);
  shapes.set('patch_embed.proj.bias', [width]);
  for (let block = 0; block < depth; block++) {
    norm(`blocks.${block}.norm1`);
    linear(`blocks.${block}.attn.qkv`, width, 3 * width);
    linear(`blocks.${block}.attn.proj`, width, width);
    norm(`blocks.${block}.norm2`);
    linear(`blocks.${block}.mlp.fc1`, width, mlpWidth);
    linear(`blocks.${block}.mlp.fc2`, mlpWidth, width);
  }
  norm('norm');
  return shapes;
}

/** Names and shapes of the classifier that a checkpoint brings along; empty if it has none. */
export function vitClassifier({ width, numClasses }: VitConfig): ReadonlyMap<string, Shape> {
  return numClasses === 0
    ? new Map()
    : new Map<string, Shape>([
        ['head.weight', [numClasses, width]],
        ['head.bias', [numClasses]],
      ]);
}

/**
 * The sites of a Vision Transformer, in the order of the forward pass. Those without a layer of their own are places
 * between layers: `pos_embed` all tokens with their positions, `input` and `output` of a block, `attn.context` the
 * heads' values before the projection, `attn` and `mlp` what is added to the residual stream (they read the stream
 * before the norm), `attn.residual` the stream between the two, `mlp.act` the hidden activation, `features` the
 * pooled features.
 */
export function vitSites({ width, mlpWidth, patchSize, depth }: VitConfig): readonly SiteSpec[] {
  const between = (kind: string, features = width) => ({ kind, inFeatures: features, outFeatures: features });
  const norm = (kind: string, name: string) => ({
    ...between(kind),
    weight: `${name}.weight`,
    bias: `${name}.bias`,
  });
  const dense = (kind: string, name: string, inFeatures: number, outFeatures: number) => ({
    kind,
    inFeatures,
    outFeatures,
    weight: `${name}.weight`,
    bias: `${name}.bias`,
  });
  const part = (kind: string, qkv: string, index: number) => ({
    ...dense(kind, qkv, width, width),
    rows: [index * width, (index + 1) * width] as const,
  });
  const outside = (spec: Omit<SiteSpec, 'name'>): SiteSpec => ({ ...spec, name: spec.kind });
  const block = (index: number): SiteSpec[] => {
    const name = `blocks.${index}`;
    const qkv = `${name}.attn.qkv`;
    return [
      between('input'),
      norm('norm1', `${name}.norm1`),
      dense('attn.qkv', qkv, width, 3 * width),
      part('attn.q', qkv, 0),
      part('attn.k', qkv, 1),
      part('attn.v', qkv, 2),
      between('attn.context'),
      dense('attn.proj', `${name}.attn.proj`, width, width),
      between('attn'),
      between('attn.residual'),
      norm('norm2', `${name}.norm2`),
      dense('mlp.fc1', `${name}.mlp.fc1`, width, mlpWidth),
      between('mlp.act', mlpWidth),
      dense('mlp.fc2', `${name}.mlp.fc2`, mlpWidth, width),
      between('mlp'),
      between('output'),
    ].map((spec) => ({ ...spec, name: `${name}.${spec.kind}`, block: index }));
  };
  return [
    outside(dense('patch_embed', 'patch_embed.proj', 3 * patchSize ** 2, width)),
    outside(between('pos_embed')),
    ...Array.from({ length: depth }, (_, index) => block(index)).flat(),
    outside(norm('norm', 'norm')),
    outside(between('features')),
  ];
}
