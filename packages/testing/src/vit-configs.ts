import type { VitConfig } from '@kora-bench/core/nn';
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
