import type { Preprocessing } from '@kora-bench/core/data';
import { CheckpointError } from '@kora-bench/core/errors';
import { z } from 'zod';
import type { CheckpointConfig } from './checkpoint-config.js';

const positiveInt = z.int().min(1);
const size = z.union([positiveInt, z.tuple([positiveInt, positiveInt])]);

/** The `config.json` of a ViT of Hugging Face transformers; defaults are those of its `ViTConfig`. */
export const transformersConfigSchema = z.object({
  model_type: z.literal('vit'),
  hidden_size: positiveInt,
  num_hidden_layers: positiveInt,
  num_attention_heads: positiveInt,
  intermediate_size: positiveInt,
  hidden_act: z.literal('gelu').default('gelu'),
  layer_norm_eps: z.number().positive().default(1e-12),
  image_size: size,
  patch_size: positiveInt,
  num_channels: z.literal(3).default(3),
  qkv_bias: z.literal(true).default(true),
});
export type TransformersConfig = z.infer<typeof transformersConfigSchema>;

/** PIL's codes of its resampling filters. */
const interpolations = { 2: 'bilinear', 3: 'bicubic' } as const;

/** The `preprocessor_config.json` of a transformers `ViTImageProcessor`. */
export const preprocessorSchema = z.object({
  do_normalize: z.boolean().default(true),
  do_center_crop: z.literal(false).optional(),
  image_mean: z.tuple([z.number(), z.number(), z.number()]),
  image_std: z.tuple([z.number().positive(), z.number().positive(), z.number().positive()]),
  resample: z.union([z.literal(2), z.literal(3)]).default(2),
  rescale_factor: z
    .number()
    .refine((factor) => Math.abs(factor * 255 - 1) < 1e-6, '1/255')
    .default(1 / 255),
  size: z.union([positiveInt, z.object({ height: positiveInt, width: positiveInt })]),
});
export type PreprocessorConfig = z.infer<typeof preprocessorSchema>;

/**
 * @param name how the model is called; the file has no name
 * @param path the preprocessor's file, for messages
 * @throws CheckpointError when the preprocessor makes images of another size than the model takes
 */
export function readTransformersConfig(
  config: TransformersConfig,
  processor: PreprocessorConfig,
  name: string,
  path: string,
): CheckpointConfig {
  const imageSize = typeof config.image_size === 'number' ? square(config.image_size) : config.image_size;
  const made =
    typeof processor.size === 'number'
      ? square(processor.size)
      : ([processor.size.height, processor.size.width] as const);
  if (made[0] !== imageSize[0] || made[1] !== imageSize[1]) {
    throw new CheckpointError('The preprocessor makes images of another size than the model takes.', {
      where: `${path}: size`,
      expected: imageSize.join('×'),
      received: made.join('×'),
      fix: 'Use the preprocessor_config.json that belongs to this checkpoint.',
    });
  }
  const preprocessing: Preprocessing = {
    imageSize,
    interpolation: interpolations[processor.resample],
    cropPct: 1,
    mean: processor.do_normalize ? processor.image_mean : [0, 0, 0],
    std: processor.do_normalize ? processor.image_std : [1, 1, 1],
  };
  return {
    name,
    stated: {
      patchSize: config.patch_size,
      width: config.hidden_size,
      depth: config.num_hidden_layers,
      heads: config.num_attention_heads,
      mlpWidth: config.intermediate_size,
    },
    imageSize,
    layerNormEps: config.layer_norm_eps,
    preprocessing,
    notes: [],
  };
}

const square = (side: number): readonly [number, number] => [side, side];
