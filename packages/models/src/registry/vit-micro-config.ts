import type { Preprocessing } from '@kora-bench/core/data';
import type { VitConfig } from '@kora-bench/core/nn';

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
