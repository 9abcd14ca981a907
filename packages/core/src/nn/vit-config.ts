import type { Shape } from '../graph/shape.js';
import type { TokenLayout } from './architecture.js';
import { plainVit, prefixTokens, type VitVariant } from './vit-variant.js';

/** A Vision Transformer in timm's terms: its geometry, and in what it differs from the plain one. */
export interface VitConfig extends VitVariant {
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
  /** Hidden width of the MLP, what `fc2` reads; 4·D in the standard models. */
  readonly mlpWidth: number;
  /** Classes of the checkpoint's own classifier; 0 if it has none. */
  readonly numClasses: number;
  readonly layerNormEps: number;
}

/** The tokens of a Vision Transformer. Pixels that do not fill a patch at the lower and right edge are left out. */
export function vitTokens(config: VitConfig): TokenLayout {
  const { imageSize, patchSize } = config;
  const grid = [Math.floor(imageSize[0] / patchSize), Math.floor(imageSize[1] / patchSize)] as const;
  return { prefix: prefixTokens(config), grid };
}

/** How many tokens before the patches have a learned position. */
export function positionedPrefix(config: VitConfig): number {
  return config.positions === 'patches' ? 0 : prefixTokens(config).length;
}

/** Names and shapes of a Vision Transformer's weights as timm stores them, without its classifier. */
export function vitWeights(config: VitConfig): ReadonlyMap<string, Shape> {
  const { width, heads, mlpWidth, patchSize, depth } = config;
  const variant = { ...plainVit, ...config };
  const { qkvBias, projBias, layerScale, registers } = variant;
  const [rows, columns] = vitTokens(config).grid;
  const shapes = new Map<string, Shape>();
  const linear = (name: string, inFeatures: number, outFeatures: number, bias = true) => {
    shapes.set(`${name}.weight`, [outFeatures, inFeatures]);
    if (bias) shapes.set(`${name}.bias`, [outFeatures]);
  };
  const norm = (name: string, features = width) => {
    shapes.set(`${name}.weight`, [features]);
    shapes.set(`${name}.bias`, [features]);
  };
  if (variant.classToken) shapes.set('cls_token', [1, 1, width]);
  if (variant.distilledToken) shapes.set('dist_token', [1, 1, width]);
  if (registers > 0) shapes.set('reg_token', [1, registers, width]);
  shapes.set('pos_embed', [1, positionedPrefix(config) + rows * columns, width]);
  shapes.set('patch_embed.proj.weight', [width, 3, patchSize, patchSize]);
  if (!variant.preNorm) shapes.set('patch_embed.proj.bias', [width]);
  if (variant.preNorm) norm('norm_pre');
  for (let index = 0; index < depth; index++) {
    const block = `blocks.${index}`;
    norm(`${block}.norm1`);
    linear(`${block}.attn.qkv`, width, 3 * width, qkvBias);
    if (variant.qkNorm) for (const part of ['q', 'k']) norm(`${block}.attn.${part}_norm`, width / heads);
    linear(`${block}.attn.proj`, width, width, projBias);
    if (layerScale) shapes.set(`${block}.ls1.gamma`, [width]);
    norm(`${block}.norm2`);
    linear(`${block}.mlp.fc1`, width, fc1Width(config), projBias);
    linear(`${block}.mlp.fc2`, mlpWidth, width, projBias);
    if (layerScale) shapes.set(`${block}.ls2.gamma`, [width]);
  }
  if (variant.lastNorm === 'tokens') norm('norm');
  if (variant.pool === 'map') {
    shapes.set('attn_pool.latent', [1, 1, width]);
    linear('attn_pool.q', width, width);
    linear('attn_pool.kv', width, 2 * width);
    linear('attn_pool.proj', width, width);
    norm('attn_pool.norm');
    linear('attn_pool.mlp.fc1', width, mlpWidth);
    linear('attn_pool.mlp.fc2', mlpWidth, width);
  }
  if (variant.lastNorm === 'pooled') norm('fc_norm');
  return shapes;
}

/** What `fc1` gives: SwiGLU's gate and value are stacked. */
export const fc1Width = ({ mlp, mlpWidth }: VitConfig) => (mlp === 'swiglu' ? 2 * mlpWidth : mlpWidth);

/** Names and shapes of the classifier that a checkpoint brings along; empty if it has none. */
export function vitClassifier(config: VitConfig): ReadonlyMap<string, Shape> {
  const { width, numClasses, pool, headBias } = { ...plainVit, ...config };
  if (numClasses === 0) return new Map();
  const heads = pool === 'distilled' ? ['head', 'head_dist'] : ['head'];
  return new Map(
    heads.flatMap((head): [string, Shape][] => [
      [`${head}.weight`, [numClasses, width]],
      ...(headBias ? ([[`${head}.bias`, [numClasses]]] as [string, Shape][]) : []),
    ]),
  );
}
