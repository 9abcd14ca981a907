import type { VitConfig } from '@kora-bench/core/nn';
import { vitArchitecture } from '@kora-bench/core/nn';

/**
 * A ViT of 65 tokens of width 16 in 2 blocks. Other packages' tests take their toy from `@kora-bench/testing`,
 * which is built on core; core's own tests cannot, or its build would wait for itself.
 */
export const toyVitConfig: VitConfig = {
  name: 'toy-vit',
  imageSize: [32, 32],
  patchSize: 4,
  width: 16,
  depth: 2,
  heads: 2,
  mlpWidth: 64,
  numClasses: 0,
  layerNormEps: 1e-6,
};

export const toyVit = vitArchitecture(toyVitConfig);
