import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Preprocessing } from '@kora-bench/core/data';
import { vitArchitecture } from '@kora-bench/core/nn';
import { checkpointFiles } from '../checkpoint/checkpoint-files.js';
import { inspectCheckpointFolder, loadCheckpointFolder } from '../checkpoint/load-checkpoint-folder.js';
import { timmVitConfig } from '../checkpoint/timm-config.js';
import { resolveUrl } from '../hub/hub-files.js';
import type { ModelDefinition } from './model-definition.js';
import { vitMicroConfig, vitMicroPreprocessing } from './vit-micro-config.js';

/** The folder of the embedded backbone's `config.json` and `model.safetensors`. */
export const vitMicroFolder = fileURLToPath(new URL('../../assets/vit_micro_patch8_64/', import.meta.url));

/** The embedded default backbone: small, pre-trained by this suite on procedural images. */
export const vitMicro: ModelDefinition = {
  name: vitMicroConfig.name,
  description: 'ViT of 8 blocks, 96 wide, patch 8 at 64 pixels, pre-trained on procedural images (embedded)',
  model: vitArchitecture(vitMicroConfig),
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

const titles = { tiny: 'ViT-Ti', small: 'ViT-S', base: 'ViT-B', large: 'ViT-L' } as const;

/** Which of them have weights of Steiner et al. 2021 (arXiv:2106.10270) on the hub: size, patch, pixels. */
const augreg = [
  ['tiny', 16, 224],
  ['tiny', 16, 384],
  ['small', 32, 224],
  ['small', 32, 384],
  ['small', 16, 224],
  ['small', 16, 384],
  ['base', 32, 224],
  ['base', 32, 384],
  ['base', 16, 224],
  ['base', 16, 384],
  ['base', 8, 224],
  ['large', 16, 224],
  ['large', 16, 384],
] as const satisfies readonly (readonly [keyof typeof titles, patch: number, pixels: number])[];

/** timm's tag of the weights that the registry's names stand for. */
const augregTag = 'augreg_in21k_ft_in1k';

/**
 * The plain Vision Transformers of timm with their augreg weights: trained on ImageNet-21k, fine-tuned
 * on ImageNet-1k, with a classifier of 1000. Weights are read from `<dataDir>/models/<name>/`.
 */
export const timmModels: readonly ModelDefinition[] = augreg.map(([size, patchSize, pixels]) => {
  const name = `vit_${size}_patch${patchSize}_${pixels}`;
  const hubRepo = `timm/${name}.${augregTag}`;
  const config = timmVitConfig(name, [pixels, pixels], 1000)!;
  const preprocessing: Preprocessing = {
    imageSize: [pixels, pixels],
    interpolation: 'bicubic',
    cropPct: pixels === 384 ? 1 : 0.9,
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
  };
  const howToGet =
    `Download ${checkpointFiles.map((file) => resolveUrl(hubRepo, file)).join(' and ')} ` +
    `into the folder models/${name} of the data folder (KORA_DATA_DIR).`;
  return {
    name,
    description: `${titles[size]}/${patchSize} at ${pixels} pixels, trained on ImageNet-21k, fine-tuned on ImageNet-1k (augreg)`,
    model: vitArchitecture(config),
    preprocessing,
    embedded: false,
    howToGet,
    hubRepo,
    async check({ dataDir }) {
      await inspectCheckpointFolder(join(dataDir, 'models', name), { expected: config, howToGet });
    },
    load: ({ dataDir }, options) =>
      loadCheckpointFolder(join(dataDir, 'models', name), { ...options, expected: config, howToGet }),
  };
});

/** All backbones of this package; the embedded one first. */
export const models: readonly ModelDefinition[] = [vitMicro, ...timmModels];
