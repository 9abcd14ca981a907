import type { Shape } from '../graph/shape.js';
import type { VitConfig } from './vit-config.js';

/** Patches per image, rows times columns; the class token comes on top. */
export function patchGrid({ imageSize, patchSize }: VitConfig): readonly [rows: number, columns: number] {
  return [Math.floor(imageSize[0] / patchSize), Math.floor(imageSize[1] / patchSize)];
}

/** Tokens N: all patches and the class token. */
export function tokenCount(config: VitConfig): number {
  const [rows, columns] = patchGrid(config);
  return rows * columns + 1;
}

/**
 * Names and shapes of a Vision Transformer's weights as timm stores them. The checkpoint's own
 * classifier (`head.*`) is part of it when the model has one.
 */
export function vitWeightShapes(config: VitConfig): ReadonlyMap<string, Shape> {
  const { width, mlpWidth, patchSize, depth, numClasses } = config;
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
  shapes.set('pos_embed', [1, tokenCount(config), width]);
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
  if (numClasses > 0) linear('head', width, numClasses);
  return shapes;
}
