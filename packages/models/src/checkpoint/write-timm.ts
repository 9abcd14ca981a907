import type { Preprocessing } from '@kora-bench/core/data';
import type { Weights } from '@kora-bench/core/graph';
import { plainVit, type VitConfig } from '@kora-bench/core/nn';
import { writeSafetensors } from '@kora-bench/core/safetensors';
import { configFile, weightsFile } from './checkpoint-files.js';
import type { CheckpointFiles, CheckpointToWrite } from './checkpoint-writer.js';
import { biasOf, inexpressible, jsonFile, side } from './checkpoint-writer.js';
import { timmVitConfig } from './timm-config.js';

/**
 * The folder that `timm.create_model('local-dir:FOLDER', pretrained=True)` loads: `config.json` in the form of timm's
 * `save_for_hf`, and `model.safetensors`.
 * @throws InputError for a model that timm's `VisionTransformer` cannot be told to be
 */
export function timmCheckpointFiles(checkpoint: CheckpointToWrite): CheckpointFiles {
  const { config, preprocessing, head, classNames } = checkpoint;
  const { architecture, args } = architectureOf(config);
  const classes = head?.weight.shape[0] ?? 0;
  const classifiers = config.distilledToken ? ['head', 'head_dist'] : ['head'];
  const written = {
    architecture,
    num_classes: classes,
    num_features: config.width,
    global_pool: globalPool(config),
    ...(classNames && { label_names: classNames }),
    model_args: { img_size: side(config.imageSize), ...args },
    pretrained_cfg: {
      input_size: [3, ...preprocessing.imageSize],
      fixed_input_size: true,
      interpolation: preprocessing.interpolation,
      crop_pct: preprocessing.cropPct,
      crop_mode: cropMode(preprocessing),
      mean: preprocessing.mean,
      std: preprocessing.std,
      num_classes: classes,
      pool_size: null,
      first_conv: 'patch_embed.proj',
      classifier: classifiers.length === 1 ? 'head' : classifiers,
    },
  };
  // A distilled model answers with the mean of its two heads, which are here the same one.
  const heads = head === undefined ? [] : classifiers;
  const tensors: Weights = new Map([
    ...[...checkpoint.weights].filter(([name]) => !/^head(?:_dist)?\./.test(name)),
    ...heads.flatMap((name) => [
      [`${name}.weight`, head!.weight] as const,
      [`${name}.bias`, biasOf(head!)] as const,
    ]),
  ]);
  return new Map<string, string | Uint8Array>([
    [configFile, jsonFile(written)],
    [weightsFile, writeSafetensors(tensors, { format: 'pt' })],
  ]);
}

/** @throws InputError for images that timm's evaluation transform does not make */
function cropMode({ cropMode: mode = 'center', imageSize: [height, width] }: Preprocessing): string {
  if (mode === 'squash' || mode === 'center') return mode;
  // With a square input, timm's `center` is the same.
  if (mode === 'shortest' && height === width) return 'center';
  throw inexpressible('timm', `preprocessing by "${mode}"`, 'preprocessing');
}

function globalPool({ pool = 'token' }: VitConfig): string {
  return pool === 'distilled' ? 'token' : pool;
}

interface TimmModel {
  readonly architecture: string;
  /** Arguments in which the model is another one than its architecture's name says. */
  readonly args: Readonly<Record<string, unknown>>;
}

function architectureOf(config: VitConfig): TimmModel {
  const own = argumentsFor(config.name, config);
  if (own !== undefined && Object.keys(own).length === 0) return { architecture: config.name, args: {} };
  const architecture = generalArchitecture(config);
  const args = argumentsFor(architecture, config);
  if (args === undefined) throw inexpressible('timm', oddity(config), config.name);
  return { architecture, args };
}

/** A model of timm's that can be told to be any other with its kind of tokens, MLP and epsilon. */
function generalArchitecture({ mlp, distilledToken, layerNormEps }: VitConfig): string {
  if (mlp === 'swiglu') return 'vit_giant_patch14_dinov2';
  if (distilledToken) return 'deit_base_distilled_patch16_224';
  return layerNormEps === 1e-5 ? 'vit_base_patch16_clip_224' : 'vit_base_patch16_224';
}

function oddity({ layerNormEps, mlp, distilledToken }: VitConfig): string {
  if (mlp === 'swiglu') return 'SwiGLU in this form';
  return distilledToken ? 'a distilled token in this form' : `norms with an epsilon of ${layerNormEps}`;
}

const activations = {
  gelu: 'gelu',
  gelu_tanh: 'gelu_tanh',
  quick_gelu: 'quick_gelu',
  relu: 'relu',
  silu: 'silu',
} as const satisfies Record<NonNullable<VitConfig['activation']>, string>;

/** What makes the model out of a named one; `undefined` where no arguments do. */
function argumentsFor(architecture: string, config: VitConfig): Record<string, unknown> | undefined {
  const named = timmVitConfig(architecture, config.imageSize);
  if (named === undefined) return undefined;
  const [from, to] = [
    { ...plainVit, ...named },
    { ...plainVit, ...config },
  ];
  if (from.mlp !== to.mlp || from.distilledToken !== to.distilledToken) return undefined;
  if (from.layerNormEps !== to.layerNormEps || (from.layerScale && !to.layerScale)) return undefined;
  const args: Record<string, unknown> = {};
  const set = (field: keyof typeof to, argument: string, value: unknown) => {
    if (from[field] !== to[field]) args[argument] = value;
  };
  set('patchSize', 'patch_size', to.patchSize);
  set('width', 'embed_dim', to.width);
  set('depth', 'depth', to.depth);
  set('heads', 'num_heads', to.heads);
  if (from.width !== to.width || from.mlpWidth !== to.mlpWidth) args.mlp_ratio = mlpRatio(to);
  set('layerScale', 'init_values', 1e-5);
  set('classToken', 'class_token', to.classToken);
  set('registers', 'reg_tokens', to.registers);
  set('positions', 'no_embed_class', to.positions === 'patches');
  set('preNorm', 'pre_norm', to.preNorm);
  set('qkvBias', 'qkv_bias', to.qkvBias);
  set('projBias', 'proj_bias', to.projBias);
  set('qkNorm', 'qk_norm', to.qkNorm);
  set('pool', 'global_pool', globalPool(to));
  set('poolPrefix', 'pool_include_prefix', to.poolPrefix);
  set('activation', 'act_layer', activations[to.activation]);
  if (from.lastNorm !== to.lastNorm || from.pool !== to.pool) {
    args.final_norm = to.lastNorm !== 'none';
    args.fc_norm = to.lastNorm === 'pooled';
  }
  return args;
}

/** timm takes the whole part of width · ratio. */
function mlpRatio({ width, mlpWidth, mlp }: VitConfig): number {
  const hidden = mlp === 'swiglu' ? 2 * mlpWidth : mlpWidth;
  const ratio = hidden / width;
  return Math.floor(width * ratio) === hidden ? ratio : (hidden + 0.5) / width;
}
