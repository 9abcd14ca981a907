import type { Architecture, VitConfig, VitVariant } from '@kora-bench/core/nn';
import { vitArchitecture } from '@kora-bench/core/nn';

/** A ViT that the interpreter trains in milliseconds: 5 tokens of width 12 in 2 blocks, with a classifier of 7. */
export const toyVitConfig: VitConfig = {
  name: 'toy-vit',
  imageSize: [16, 16],
  patchSize: 8,
  width: 12,
  depth: 2,
  heads: 2,
  mlpWidth: 24,
  numClasses: 7,
  layerNormEps: 1e-6,
};

/** The architecture of {@link toyVitConfig}. */
export const toyVit = vitArchitecture(toyVitConfig);

/**
 * Toys that differ from {@link toyVit} as models of different kinds do; between them they have every part that a
 * Vision Transformer can have.
 */
export const toyVariants: Readonly<Record<string, Architecture>> = Object.fromEntries(
  Object.entries({
    'DINOv2 with registers and SwiGLU': {
      registers: 2,
      positions: 'patches',
      layerScale: true,
      mlp: 'swiglu',
      activation: 'silu',
    },
    'CLIP with quick GELU': { preNorm: true, activation: 'quick_gelu', layerNormEps: 1e-5 },
    'SigLIP with attention pooling': { classToken: false, pool: 'map', activation: 'gelu_tanh' },
    'DeiT with a distilled token': { distilledToken: true, pool: 'distilled', qkvBias: false },
    'mean pooling with query and key norms': {
      classToken: false,
      pool: 'avg',
      lastNorm: 'pooled',
      qkNorm: true,
      projBias: false,
      activation: 'relu',
    },
  } satisfies Record<string, VitVariant & { layerNormEps?: number }>).map(([name, variant]) => [
    name,
    vitArchitecture({ ...toyVitConfig, name, ...variant }),
  ]),
);

/** ViT-Ti/16 at 224 without a classifier: the size that the backends' benches time by default. */
export const vitTinyConfig: VitConfig = {
  name: 'vit_tiny_patch16_224',
  imageSize: [224, 224],
  patchSize: 16,
  width: 192,
  depth: 12,
  heads: 3,
  mlpWidth: 768,
  numClasses: 0,
  layerNormEps: 1e-6,
};

/** The architecture of {@link vitTinyConfig}. */
export const vitTiny = vitArchitecture(vitTinyConfig);

/** ViT-B/16 at 224 with its ImageNet classifier: what published counts of parameters are given for. */
export const vitBaseConfig: VitConfig = {
  name: 'vit_base_patch16_224',
  imageSize: [224, 224],
  patchSize: 16,
  width: 768,
  depth: 12,
  heads: 12,
  mlpWidth: 3072,
  numClasses: 1000,
  layerNormEps: 1e-6,
};

/** The architecture of {@link vitBaseConfig}. */
export const vitBase = vitArchitecture(vitBaseConfig);
