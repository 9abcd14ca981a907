import { fileURLToPath } from 'node:url';
import type { Preprocessing, VitConfig } from '@kora-bench/core';
import { loadCheckpointFolder } from '../checkpoint/load-checkpoint-folder.js';
import type { ModelDefinition } from '../model-definition.js';

/**
 * The geometry of the embedded backbone; pre-training builds the model from it and loading checks the
 * weights against it. The classifier of pre-training is dropped.
 */
export const vitMicroConfig: VitConfig = {
  name: 'vit_micro_patch8_64',
  imageSize: [64, 64],
  patchSize: 8,
  width: 96,
  depth: 8,
  heads: 3,
  mlpWidth: 384,
  numClasses: 0,
  layerNormEps: 1e-6,
};

/** What pre-training feeds the embedded backbone, and so what every later use must feed it. */
export const vitMicroPreprocessing: Preprocessing = {
  imageSize: [64, 64],
  interpolation: 'bicubic',
  cropPct: 1,
  mean: [0.5, 0.5, 0.5],
  std: [0.5, 0.5, 0.5],
};

/** The folder of the embedded backbone's `config.json` and `model.safetensors`. */
export const vitMicroFolder = fileURLToPath(new URL('../../assets/vit_micro_patch8_64/', import.meta.url));

/** The embedded default backbone: small, pre-trained by this suite on procedural images. */
export const vitMicro: ModelDefinition = {
  name: vitMicroConfig.name,
  description: 'ViT of 8 blocks, 96 wide, patch 8 at 64 pixels, pre-trained on procedural images (embedded)',
  config: vitMicroConfig,
  preprocessing: vitMicroPreprocessing,
  embedded: true,
  howToGet: '',
  load: (_context, options) =>
    loadCheckpointFolder(vitMicroFolder, {
      ...options,
      expected: vitMicroConfig,
      howToGet: 'The files come with the package: restore them, or make them with `pnpm pretrain`.',
    }),
};
