import { fileURLToPath } from 'node:url';
import { loadCheckpointFolder } from '../checkpoint/load-checkpoint-folder.js';
import type { ModelDefinition } from '../model-definition.js';
import { vitMicroConfig, vitMicroPreprocessing } from './vit-micro-config.js';

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
