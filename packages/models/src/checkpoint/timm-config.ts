import { CheckpointError } from '@kora-bench/core/errors';
import { z } from 'zod';
import type { CheckpointConfig } from './checkpoint-config.js';

const positiveInt = z.int().min(1);
const triple = z.tuple([z.number(), z.number(), z.number()]);
const size = z.union([positiveInt, z.tuple([positiveInt, positiveInt])]);

/** Arguments of timm's `VisionTransformer` that leave the forward pass of an evaluation as it is. */
const harmlessArguments = new Set([
  'attn_drop_rate',
  'drop_path_rate',
  'drop_rate',
  'dynamic_img_size',
  'fix_init',
  'fused_attn',
  'num_classes',
  'patch_drop_rate',
  'pos_drop_rate',
  'proj_drop_rate',
  'strict_img_size',
  'weight_init',
]);

/** The form in which timm's `save_for_hf` writes `config.json`. */
export const timmConfigSchema = z.object({
  architecture: z.string().min(1),
  global_pool: z.string().optional(),
  model_args: z
    .looseObject({
      img_size: size.optional(),
      patch_size: size.optional(),
      embed_dim: positiveInt.optional(),
      depth: positiveInt.optional(),
      num_heads: positiveInt.optional(),
      mlp_ratio: z.number().positive().optional(),
    })
    .optional(),
  pretrained_cfg: z.object({
    tag: z.string().nullish(),
    input_size: z.tuple([z.literal(3), positiveInt, positiveInt]),
    interpolation: z.enum(['bicubic', 'bilinear']),
    crop_pct: z.number().positive().max(1),
    crop_mode: z.literal('center').nullish(),
    mean: triple,
    std: z.tuple([z.number().positive(), z.number().positive(), z.number().positive()]),
  }),
  pretraining: z
    .object({ dataset: z.string(), examples: positiveInt, classes: positiveInt })
    .optional()
    .describe('How `pnpm pretrain` made the weights; not a field of timm’s.'),
});
export type TimmConfig = z.infer<typeof timmConfigSchema>;

/** Arguments that must have the plain ViT's value when they are given at all. */
const plainArguments: Readonly<Record<string, unknown>> = {
  act_layer: 'gelu',
  class_token: true,
  final_norm: true,
  global_pool: 'token',
  in_chans: 3,
  no_embed_class: false,
  pos_embed: 'learn',
  pre_norm: false,
  qk_norm: false,
  qkv_bias: true,
  reg_tokens: 0,
};

/**
 * @param path the file, for messages
 * @throws CheckpointError for an architecture that is not the plain ViT
 */
export function readTimmConfig(config: TimmConfig, path: string): CheckpointConfig {
  const { architecture, pretrained_cfg: pretrained } = config;
  const args = config.model_args ?? {};
  refuseOtherArchitectures(config, path);
  const [, height, width] = pretrained.input_size;
  const imageSize = args.img_size === undefined ? ([height, width] as const) : pair(args.img_size);
  const stated: { -readonly [Key in keyof CheckpointConfig['stated']]: CheckpointConfig['stated'][Key] } = {};
  if (args.patch_size !== undefined) stated.patchSize = pair(args.patch_size)[0];
  if (args.embed_dim !== undefined) stated.width = args.embed_dim;
  if (args.depth !== undefined) stated.depth = args.depth;
  if (args.num_heads !== undefined) stated.heads = args.num_heads;
  if (args.embed_dim !== undefined && args.mlp_ratio !== undefined) {
    stated.mlpWidth = Math.floor(args.embed_dim * args.mlp_ratio);
  }
  return {
    name: architecture,
    stated,
    imageSize,
    layerNormEps: 1e-6,
    preprocessing: {
      imageSize,
      interpolation: pretrained.interpolation,
      cropPct: pretrained.crop_pct,
      mean: pretrained.mean,
      std: pretrained.std,
    },
    notes: [...trainingNotes(pretrained.tag ?? ''), ...pretrainingNotes(config)],
  };
}

function pretrainingNotes({ pretraining }: TimmConfig): string[] {
  if (pretraining === undefined) return [];
  const { dataset, examples, classes } = pretraining;
  return [`trained on ${dataset} (${examples} images of ${classes} classes)`];
}

function refuseOtherArchitectures(config: TimmConfig, path: string): void {
  const refuse = (field: string, expected: string, received: unknown) =>
    new CheckpointError('The checkpoint is not a plain Vision Transformer.', {
      where: `${path}: ${field}`,
      expected,
      received: JSON.stringify(received),
      fix: 'Use a ViT with a class token, learned positions, exact GELU and no layer scale, as timm’s vit_base_patch16_224.',
    });
  if (!config.architecture.startsWith('vit_')) {
    throw refuse('architecture', 'a name that begins with vit_', config.architecture);
  }
  if (config.global_pool !== undefined && config.global_pool !== 'token') {
    throw refuse('global_pool', '"token"', config.global_pool);
  }
  const known = new Set(Object.keys(timmConfigSchema.shape.model_args.unwrap().shape));
  for (const [name, value] of Object.entries(config.model_args ?? {})) {
    if (known.has(name) || harmlessArguments.has(name) || value === null) continue;
    if (name in plainArguments && plainArguments[name] === value) continue;
    const expected = name in plainArguments ? JSON.stringify(plainArguments[name]) : 'no such argument';
    throw refuse(`model_args.${name}`, expected, value);
  }
}

function pair(value: number | readonly [number, number]): readonly [number, number] {
  return typeof value === 'number' ? [value, value] : value;
}

const datasets: Readonly<Record<string, string>> = {
  in1k: 'ImageNet-1k',
  in12k: 'ImageNet-12k',
  in21k: 'ImageNet-21k',
  in22k: 'ImageNet-22k',
};

/**
 * What a tag of timm's pretrained weights says about their training, in words:
 * `augreg_in21k_ft_in1k` is "trained on ImageNet-21k, fine-tuned on ImageNet-1k".
 */
export function trainingNotes(tag: string): string[] {
  const stages = tag.split('_ft_').map((stage) => {
    const known = stage.split('_').filter((word) => datasets[word] !== undefined);
    return known.map((word) => datasets[word]).join(' and ');
  });
  const words = stages
    .map((names, i) => (names === '' ? '' : `${i === 0 ? 'trained' : 'fine-tuned'} on ${names}`))
    .filter((text) => text !== '');
  return words.length === 0 ? [] : [words.join(', ')];
}
