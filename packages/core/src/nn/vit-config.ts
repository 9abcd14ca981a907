import type { Preprocessing } from '../data/image-split.js';
import type { Shape } from '../graph/shape.js';

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

/** A backbone with its weights. */
export interface Checkpoint {
  readonly config: VitConfig;
  readonly preprocessing: Preprocessing;
  /** Tensors by timm's names (`blocks.0.attn.qkv.weight`), float32. */
  readonly tensors: ReadonlyMap<string, import('../tensor/host-tensor.js').HostTensor>;
  /** SHA-256 (hex) of the weights file; the key of feature caches. */
  readonly fingerprint: string;
  /** What a reader of results must know, e.g. what the weights were trained on. */
  readonly notes: readonly string[];
}

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
