import type { Activation } from '@kora-bench/core/nn';
import { z } from 'zod';
import type { CheckpointConfig, Stated } from './checkpoint-config.js';
import { flag, positive, positiveInt, sides, text } from './read-json.js';
import {
  type PreprocessorConfig,
  type ProcessorName,
  readPreprocessor,
} from './transformers-preprocessor.js';
import { featureOfModelType, unsupported } from './unsupported-features.js';

/** Fields of a vision model; what a file leaves out is as in the class of its `model_type`. */
const visionConfig = z.object({
  hidden_size: positiveInt.default(768),
  num_hidden_layers: positiveInt.default(12),
  num_attention_heads: positiveInt.default(12),
  intermediate_size: positiveInt.default(3072),
  hidden_act: text.optional(),
  layer_norm_eps: positive.optional(),
  image_size: sides.default([224, 224]),
  patch_size: sides.optional(),
  num_channels: positiveInt.default(3),
  qkv_bias: flag.default(true),
  mlp_ratio: positive.default(4),
  use_swiglu_ffn: flag.default(false),
  num_register_tokens: z.int('an integer from 0').min(0, 'an integer from 0').default(4),
  vision_use_head: flag.default(true),
});
type VisionConfig = z.infer<typeof visionConfig>;

/** The `config.json` of a model of Hugging Face transformers. */
export const transformersConfigSchema = visionConfig.extend({
  model_type: text,
  vision_config: visionConfig.optional(),
});
export type TransformersConfig = z.infer<typeof transformersConfigSchema>;

/** What a kind of model adds to the fields of its configuration. */
interface Family {
  /** The class of processors that such models come with. */
  readonly processor: ProcessorName;
  readonly patchSize: number;
  readonly activation: string;
  readonly layerNormEps: number;
  /** @param has whether the file has a tensor whose name ends so */
  settings(config: VisionConfig, has: (ending: string) => boolean): Stated;
  /** Modules of the file that the model's own forward pass skips. */
  unused?(has: (ending: string) => boolean): RegExp | undefined;
  /** The processor may make images of another size: positions are interpolated. */
  readonly interpolates?: true;
}

const classifies = (has: (ending: string) => boolean) => has('classifier.weight');

const vit: Family = {
  processor: 'ViT',
  patchSize: 16,
  activation: 'gelu',
  layerNormEps: 1e-12,
  settings: () => ({}),
};

const deit: Family = {
  ...vit,
  processor: 'DeiT',
  settings: (_config, has) => ({
    distilledToken: true,
    pool: has('distillation_classifier.weight') ? 'distilled' : 'token',
  }),
};

const dinov2: Family = {
  processor: 'Bit',
  patchSize: 14,
  activation: 'gelu',
  layerNormEps: 1e-6,
  interpolates: true,
  settings: ({ hidden_size: width, mlp_ratio: ratio, use_swiglu_ffn: swiglu }) => {
    const hidden = Math.trunc(width * ratio);
    // Two thirds, so that the three matrices of SwiGLU have the parameters of two, in multiples of 8.
    const gated = 8 * Math.floor((Math.trunc((hidden * 2) / 3) + 7) / 8);
    return {
      layerScale: true,
      ...(swiglu ? { mlp: 'swiglu', activation: 'silu', mlpWidth: gated } : { mlpWidth: hidden }),
    };
  },
  // Its classifier reads the class token and the mean of the patches side by side, which no head here does.
  unused: () => /^classifier\./,
};

const dinov2WithRegisters: Family = {
  ...dinov2,
  patchSize: 16,
  settings: (config, has) => ({
    ...dinov2.settings(config, has),
    registers: config.num_register_tokens,
    positions: 'patches',
  }),
};

const clip: Family = {
  processor: 'CLIP',
  patchSize: 32,
  activation: 'quick_gelu',
  layerNormEps: 1e-5,
  settings: (_config, has) => ({
    preNorm: true,
    ...(classifies(has) && { pool: 'avg', lastNorm: 'none' }),
  }),
  unused: (has) => (classifies(has) ? /^post_layernorm\./ : undefined),
};

const siglip: Family = {
  processor: 'Siglip',
  patchSize: 16,
  activation: 'gelu_pytorch_tanh',
  layerNormEps: 1e-6,
  settings: ({ vision_use_head: pools }, has) => ({
    classToken: false,
    pool: pools && !classifies(has) ? 'map' : 'avg',
  }),
  unused: (has) => (classifies(has) ? /^head\./ : undefined),
};

const families: Readonly<Record<string, Family>> = {
  vit,
  vit_mae: vit,
  deit,
  dinov2,
  dinov2_with_registers: dinov2WithRegisters,
  clip,
  clip_vision_model: clip,
  siglip,
  siglip_vision_model: siglip,
};

const activations: Readonly<Record<string, Activation>> = {
  gelu: 'gelu',
  gelu_fast: 'gelu_tanh',
  gelu_new: 'gelu_tanh',
  gelu_pytorch_tanh: 'gelu_tanh',
  quick_gelu: 'quick_gelu',
  relu: 'relu',
  silu: 'silu',
  swish: 'silu',
};

export interface TransformersFiles {
  readonly config: TransformersConfig;
  readonly processor: PreprocessorConfig;
  /** Names of the tensors in the file of the weights. */
  readonly tensors: readonly string[];
  /** How the model is called; the files have no name. */
  readonly name: string;
  readonly paths: { readonly config: string; readonly preprocessor: string };
}

/**
 * @returns what the files say, and which modules of the weights the model does not use
 * @throws CheckpointError naming a feature that is missing here, or when the preprocessor makes images of a size that
 *   the model does not take
 */
export function readTransformersConfig(
  files: TransformersFiles,
): CheckpointConfig & { readonly unused?: RegExp } {
  const { config, processor, tensors, name, paths } = files;
  const family = familyOf(config, paths.config);
  const inside = config.vision_config;
  const vision = inside ?? config;
  const has = (ending: string) => tensors.some((tensor) => tensor.endsWith(ending));
  const unused = family.unused?.(has);
  const preprocessing = readPreprocessor(processor, {
    imageSize: vision.image_size,
    interpolates: family.interpolates ?? false,
    processor: family.processor,
    path: paths.preprocessor,
  });
  const dropped = unused !== undefined && family.interpolates && classifies(has);
  return {
    name,
    headsField: `${inside === undefined ? '' : 'vision_config.'}num_attention_heads`,
    stated: {
      ...readGeometry(vision, family, inside === undefined ? paths.config : `${paths.config}: vision_config`),
      ...family.settings(vision, has),
    },
    imageSize: vision.image_size,
    preprocessing,
    notes: dropped
      ? ['its classifier, which reads the class token and the patches side by side, is left out']
      : [],
    ...(unused && { unused }),
  };
}

/** @throws CheckpointError when the type of the model is not supported, naming what it would need */
export function checkModelType(config: TransformersConfig, path: string): void {
  familyOf(config, path);
}

function familyOf({ model_type: type }: TransformersConfig, path: string): Family {
  const family = Object.hasOwn(families, type) ? families[type] : undefined;
  if (family !== undefined) return family;
  throw unsupported(featureOfModelType(type) ?? `a model of the type ${type}`, {
    where: `${path}: model_type`,
    expected: `one of ${Object.keys(families).join(', ')}, timm_wrapper`,
    received: type,
  });
}

function readGeometry(config: VisionConfig, family: Family, where: string): Stated {
  const refuse = (field: string, feature: string, expected: string, received: unknown) =>
    unsupported(feature, { where: `${where}: ${field}`, expected, received: JSON.stringify(received) });
  const [patchSize, patchWidth] = config.patch_size ?? [family.patchSize, family.patchSize];
  if (patchSize !== patchWidth)
    throw refuse('patch_size', 'patches that are not square', 'one side', config.patch_size);
  if (config.num_channels !== 3)
    throw refuse('num_channels', 'images of other than three channels', '3', config.num_channels);
  const name = config.hidden_act ?? family.activation;
  const activation = Object.hasOwn(activations, name) ? activations[name] : undefined;
  if (activation === undefined)
    throw refuse(
      'hidden_act',
      `the activation ${name}`,
      `one of ${Object.keys(activations).join(', ')}`,
      name,
    );
  return {
    patchSize,
    width: config.hidden_size,
    depth: config.num_hidden_layers,
    heads: config.num_attention_heads,
    mlpWidth: config.intermediate_size,
    layerNormEps: config.layer_norm_eps ?? family.layerNormEps,
    qkvBias: config.qkv_bias,
    activation,
  };
}
