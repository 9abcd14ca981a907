import { type Interpolation, interpolations, type Preprocessing } from '@kora-bench/core/data';
import type { Activation, VitConfig } from '@kora-bench/core/nn';
import { z } from 'zod';
import type { CheckpointConfig, Stated } from './checkpoint-config.js';
import { flag, positive, positiveInt, positiveTriple, sides, text, triple } from './read-json.js';
import { defaultTimmSettings, type TimmSettings, timmSettings } from './timm-architectures.js';
import { trainingNotes } from './training-notes.js';
import { featureOfTimmName, unsupported } from './unsupported-features.js';

/** Arguments of timm's `VisionTransformer` that are understood; any other is looked at by name. */
const modelArguments = z.looseObject({
  img_size: sides.optional(),
  patch_size: sides.optional(),
  embed_dim: positiveInt.optional(),
  depth: positiveInt.optional(),
  num_heads: positiveInt.optional(),
  mlp_ratio: positive.optional(),
  init_values: z.number('a number').optional(),
  class_token: flag.optional(),
  reg_tokens: z.int('an integer from 0').min(0, 'an integer from 0').optional(),
  no_embed_class: flag.optional(),
  pre_norm: flag.optional(),
  qkv_bias: flag.optional(),
  proj_bias: flag.optional(),
  qk_norm: flag.optional(),
  final_norm: flag.optional(),
  fc_norm: flag.optional(),
  pool_include_prefix: flag.optional(),
  global_pool: text.optional(),
  act_layer: text.optional(),
});
type ModelArguments = z.infer<typeof modelArguments>;

const pretrainedConfig = z.object({
  tag: text.optional(),
  input_size: z
    .tuple([z.int('[3, height, width]'), positiveInt, positiveInt], '[3, height, width]')
    .default([3, 224, 224]),
  interpolation: text.default('bicubic'),
  crop_pct: positive.default(0.875),
  crop_mode: text.default('center'),
  mean: triple.default([0.485, 0.456, 0.406]),
  std: positiveTriple.default([0.229, 0.224, 0.225]),
});

/** The form in which timm's `save_for_hf` writes `config.json`; older releases wrote all fields at the root. */
export const timmConfigSchema = z.preprocess(
  (value) =>
    typeof value === 'object' && value !== null && !('pretrained_cfg' in value)
      ? { ...value, pretrained_cfg: value, flat: true }
      : value,
  z.object({
    architecture: text.min(1, 'a name'),
    global_pool: text.optional(),
    model_args: modelArguments.optional(),
    pretrained_cfg: pretrainedConfig,
    flat: flag.default(false).describe('Whether the fields of `pretrained_cfg` are at the root.'),
    pretraining: z
      .object({ dataset: z.string(), examples: positiveInt, classes: positiveInt })
      .optional()
      .describe('How `pnpm pretrain` made the weights; not a field of timm’s.'),
  }),
);
export type TimmConfig = z.infer<typeof timmConfigSchema>;

/** Arguments that leave the forward pass of an evaluation as it is, whatever their value. */
const harmlessArguments = new Set([
  'attn_drop_rate',
  'device',
  'drop_path_rate',
  'drop_rate',
  'dtype',
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

/** Arguments of which one value changes nothing, and any other needs a feature that is missing. */
const otherArguments: Readonly<Record<string, readonly [harmless: readonly unknown[], feature: string]>> = {
  attn_layer: [['', 'attn', 'Attention'], 'another attention'],
  block_fn: [['Block'], 'other blocks'],
  dynamic_img_pad: [[false], 'padded images'],
  embed_layer: [['PatchEmbed'], 'another patch embedding'],
  embed_norm_layer: [[], 'a norm in the patch embedding'],
  in_chans: [[3], 'images of other than three channels'],
  mlp_layer: [['Mlp'], 'another MLP'],
  norm_layer: [['', 'layer_norm', 'LayerNorm', 'layernorm'], 'another norm'],
  pos_embed: [['learn'], 'other than learned positions'],
  scale_attn_norm: [[false], 'norms inside attention'],
  scale_mlp_norm: [[false], 'norms inside the MLP'],
};

const activations: Readonly<Record<string, Activation>> = {
  gelu: 'gelu',
  gelu_tanh: 'gelu_tanh',
  quick_gelu: 'quick_gelu',
  relu: 'relu',
  silu: 'silu',
  swish: 'silu',
};

/**
 * What timm's configuration says: the settings that the architecture's name implies, changed by its arguments.
 * @param path the file, for messages
 * @throws CheckpointError naming a feature that is missing here
 */
export function readTimmConfig(config: TimmConfig, path: string): CheckpointConfig {
  const { architecture, pretrained_cfg: pretrained } = config;
  const args = config.model_args ?? {};
  checkArchitecture(architecture, path);
  checkArguments(args, path);
  const known = timmSettings(architecture);
  const settings = withArguments(known ?? defaultTimmSettings, config, path);
  const [, height, width] = pretrained.input_size;
  const imageSize = args.img_size ?? ([height, width] as const);
  return {
    name: architecture,
    headsField: 'model_args.num_heads',
    stated: known === undefined ? withoutGuesses(settings, args) : settings,
    imageSize,
    preprocessing: readPreprocessing(config, imageSize, path),
    notes: [
      ...trainingNotes(pretrained.tag ?? ''),
      ...pretrainingNotes(config),
      ...clipNotes(config, settings),
    ],
  };
}

/**
 * The model that timm builds under a name of its `VisionTransformer`, e.g. `vit_small_patch14_dinov2`; `undefined` for
 * a name that is not known here.
 */
export function timmVitConfig(
  name: string,
  imageSize: readonly [height: number, width: number],
  numClasses = 0,
): VitConfig | undefined {
  const settings = timmSettings(name);
  return settings && { name, imageSize, numClasses, ...withArguments(settings, {}, name) };
}

function checkArchitecture(name: string, path: string): void {
  const feature = featureOfTimmName(name);
  const where = `${path}: architecture`;
  const expected = 'a name of timm’s VisionTransformer, e.g. vit_base_patch16_224';
  if (feature !== undefined) throw unsupported(feature, { where, expected, received: name });
  if (timmSettings(name) !== undefined || /^(?:vit|deit3?)_/.test(name)) return;
  throw unsupported('an architecture other than timm’s VisionTransformer', {
    where,
    expected,
    received: name,
  });
}

function checkArguments(args: ModelArguments, path: string): void {
  for (const [name, value] of Object.entries(args)) {
    if (name in modelArguments.shape || harmlessArguments.has(name)) continue;
    const [harmless, feature] = otherArguments[name] ?? [[], `the argument ${name}`];
    if (harmless.includes(value)) continue;
    throw unsupported(feature, {
      where: `${path}: model_args.${name}`,
      expected: harmless.length > 0 ? JSON.stringify(harmless.at(-1)) : 'no such argument',
      received: JSON.stringify(value),
    });
  }
}

type Settings = Stated & Omit<VitConfig, 'name' | 'imageSize' | 'numClasses'>;

function withArguments(
  base: TimmSettings,
  config: Pick<TimmConfig, 'global_pool' | 'model_args'>,
  path: string,
): Settings {
  const args = config.model_args ?? {};
  const where = (field: string) => `${path}: model_args.${field}`;
  const { mlpRatio, finalNorm, fcNorm, ...variant } = base;
  const width = args.embed_dim ?? base.width;
  const hidden = Math.floor(width * (args.mlp_ratio ?? mlpRatio));
  const pool = readPool(args.global_pool ?? config.global_pool, base, path);
  const [patchSize, patchWidth] = args.patch_size ?? [base.patchSize, base.patchSize];
  if (patchSize !== patchWidth) {
    throw unsupported('patches that are not square', {
      where: where('patch_size'),
      expected: 'one side',
      received: JSON.stringify(args.patch_size),
    });
  }
  const activation = args.act_layer ? activations[args.act_layer.toLowerCase()] : base.activation;
  if (args.act_layer && activation === undefined) {
    throw unsupported(`the activation ${args.act_layer}`, {
      where: where('act_layer'),
      expected: `one of ${Object.keys(activations).join(', ')}`,
      received: args.act_layer,
    });
  }
  const normsPooled = args.fc_norm ?? fcNorm ?? pool === 'avg';
  const noPositions = args.no_embed_class ?? base.positions === 'patches';
  return {
    ...variant,
    // A norm that is named is built with its own epsilon, whatever the architecture's would have had.
    layerNormEps: args.norm_layer ? 1e-6 : base.layerNormEps,
    patchSize,
    width,
    depth: args.depth ?? base.depth,
    heads: args.num_heads ?? base.heads,
    mlpWidth: base.mlp === 'swiglu' ? hidden / 2 : hidden,
    pool,
    poolPrefix: args.pool_include_prefix ?? base.poolPrefix ?? false,
    lastNorm: !(args.final_norm ?? finalNorm) ? 'none' : normsPooled ? 'pooled' : 'tokens',
    layerScale: args.init_values === undefined ? (base.layerScale ?? false) : args.init_values !== 0,
    classToken: args.class_token ?? base.classToken ?? true,
    registers: args.reg_tokens ?? base.registers ?? 0,
    positions: noPositions ? 'patches' : 'all',
    preNorm: args.pre_norm ?? base.preNorm ?? false,
    qkvBias: args.qkv_bias ?? base.qkvBias ?? true,
    projBias: args.proj_bias ?? base.projBias ?? true,
    qkNorm: args.qk_norm ?? base.qkNorm ?? false,
    activation: activation ?? 'gelu',
  };
}

function readPool(name: string | undefined, base: TimmSettings, path: string): NonNullable<Stated['pool']> {
  const implied = base.pool ?? 'token';
  if (name === undefined || (name === 'token' && implied === 'distilled')) return implied;
  if (name === 'token' || name === 'avg' || name === 'map') return name;
  throw unsupported(`pooling by "${name}"`, {
    where: `${path}: global_pool`,
    expected: 'token, avg or map',
    received: JSON.stringify(name),
  });
}

/** Of an architecture that timm does not have, its geometry is what the arguments and the tensors say. */
function withoutGuesses(settings: Settings, args: ModelArguments): Stated {
  const { patchSize, width, depth, heads, mlpWidth, ...variant } = settings;
  return {
    ...variant,
    ...(args.patch_size && { patchSize }),
    ...(args.embed_dim && { width }),
    ...(args.depth && { depth }),
    ...(args.num_heads && { heads }),
    ...(args.embed_dim && args.mlp_ratio && { mlpWidth }),
  };
}

function readPreprocessing(
  { pretrained_cfg: pretrained, flat }: TimmConfig,
  imageSize: readonly [number, number],
  path: string,
): Preprocessing {
  const { interpolation, crop_mode: cropMode } = pretrained;
  const refuse = (field: string, feature: string, expected: string, received: unknown) =>
    unsupported(feature, {
      where: `${path}: ${flat ? field : `pretrained_cfg.${field}`}`,
      expected,
      received: JSON.stringify(received),
    });
  if (pretrained.input_size[0] !== 3)
    throw refuse(
      'input_size',
      'images of other than three channels',
      '[3, height, width]',
      pretrained.input_size,
    );
  if (!isInterpolation(interpolation))
    throw refuse(
      'interpolation',
      `${interpolation} interpolation`,
      `one of ${interpolations.join(', ')}`,
      interpolation,
    );
  if (cropMode !== 'center' && cropMode !== 'squash')
    throw refuse('crop_mode', `images cropped by "${cropMode}"`, 'center or squash', cropMode);
  if (pretrained.crop_pct > 1)
    throw refuse('crop_pct', 'a crop that is larger than the image', 'at most 1', pretrained.crop_pct);
  return {
    imageSize,
    interpolation,
    cropPct: pretrained.crop_pct,
    ...(cropMode === 'squash' && { cropMode }),
    mean: pretrained.mean,
    std: pretrained.std,
  };
}

function isInterpolation(name: string): name is Interpolation {
  return (interpolations as readonly string[]).includes(name);
}

function pretrainingNotes({ pretraining }: TimmConfig): string[] {
  if (pretraining === undefined) return [];
  const { dataset, examples, classes } = pretraining;
  return [`trained on ${dataset} (${examples} images of ${classes} classes)`];
}

/** OpenAI trained CLIP with quick GELU; timm keeps its weights under names with the exact one, too. */
function clipNotes({ pretrained_cfg: { tag } }: TimmConfig, { activation }: Settings): string[] {
  return tag?.startsWith('openai') && activation === 'gelu'
    ? ['trained with quick GELU; the architecture’s name asks for the exact GELU, as in timm']
    : [];
}
