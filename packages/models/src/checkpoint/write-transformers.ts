import type { Preprocessing } from '@kora-bench/core/data';
import { type HostTensor, hostTensor } from '@kora-bench/core/graph';
import { plainVit, type VitConfig, type VitVariant } from '@kora-bench/core/nn';
import { writeSafetensors } from '@kora-bench/core/safetensors';
import { configFile, preprocessorFile, weightsFile } from './checkpoint-files.js';
import type { CheckpointFiles, CheckpointToWrite } from './checkpoint-writer.js';
import { biasOf, inexpressible, jsonFile, side } from './checkpoint-writer.js';

/**
 * The folder that `ViTForImageClassification.from_pretrained` of transformers loads: `config.json`,
 * `preprocessor_config.json` and `model.safetensors`.
 * @throws InputError for a model or preprocessing that transformers' ViT cannot be told to be
 */
export function transformersCheckpointFiles(checkpoint: CheckpointToWrite): CheckpointFiles {
  const { config, head, classNames, preprocessing } = checkpoint;
  const feature = foreignFeature(config);
  if (feature !== undefined) throw inexpressible('transformers', feature, config.name);
  if (head === undefined) throw inexpressible('transformers', 'its lack of a classifier', config.name);
  const classes = head.weight.shape[0]!;
  const names = classNames ?? Array.from({ length: classes }, (_, i) => `LABEL_${i}`);
  const { width, heads, mlpWidth, depth, layerNormEps, patchSize, activation, qkvBias } = {
    ...plainVit,
    ...config,
  };
  const written = {
    architectures: ['ViTForImageClassification'],
    model_type: 'vit',
    hidden_size: width,
    num_hidden_layers: depth,
    num_attention_heads: heads,
    intermediate_size: mlpWidth,
    hidden_act: activations[activation],
    hidden_dropout_prob: 0,
    attention_probs_dropout_prob: 0,
    layer_norm_eps: layerNormEps,
    image_size: side(config.imageSize),
    patch_size: patchSize,
    num_channels: 3,
    qkv_bias: qkvBias,
    ...(classNames === undefined && { problem_type: 'regression' }),
    id2label: Object.fromEntries(names.map((name, i) => [String(i), name])),
    label2id: Object.fromEntries(names.map((name, i) => [name, i])),
    torch_dtype: 'float32',
  };
  const tensors = new Map<string, HostTensor>();
  for (const [name, tensor] of checkpoint.weights)
    for (const [stored, value] of storedTensors(name, tensor)) tensors.set(`vit.${stored}`, value);
  tensors.set('classifier.weight', head.weight).set('classifier.bias', biasOf(head));
  return new Map<string, string | Uint8Array>([
    [configFile, jsonFile(written)],
    [preprocessorFile, jsonFile(processorOf(preprocessing))],
    [weightsFile, writeSafetensors(tensors, { format: 'pt' })],
  ]);
}

const activations = {
  gelu: 'gelu',
  gelu_tanh: 'gelu_pytorch_tanh',
  quick_gelu: 'quick_gelu',
  relu: 'relu',
  silu: 'silu',
} as const satisfies Record<NonNullable<VitConfig['activation']>, string>;

/** In what a model differs from transformers' ViT, in words. */
const foreign: Partial<Record<keyof VitVariant, (value: unknown) => string>> = {
  classToken: () => 'its lack of a class token',
  distilledToken: () => 'a distilled token',
  registers: () => 'register tokens',
  positions: () => 'positions of patches alone',
  preNorm: () => 'a norm before the blocks',
  projBias: () => 'projections without biases',
  qkNorm: () => 'norms of queries and keys',
  layerScale: () => 'layer scale',
  mlp: () => 'SwiGLU',
  pool: (value) => `pooling by "${String(value)}"`,
  lastNorm: (value) => `its last norm on "${String(value)}"`,
};

function foreignFeature(config: VitConfig): string | undefined {
  const found = (Object.keys(foreign) as (keyof VitVariant)[]).find(
    (field) => config[field] !== undefined && config[field] !== plainVit[field],
  );
  return found && foreign[found]!(config[found]);
}

const outside: Readonly<Record<string, string>> = {
  cls_token: 'embeddings.cls_token',
  pos_embed: 'embeddings.position_embeddings',
  'patch_embed.proj.weight': 'embeddings.patch_embeddings.projection.weight',
  'patch_embed.proj.bias': 'embeddings.patch_embeddings.projection.bias',
  'norm.weight': 'layernorm.weight',
  'norm.bias': 'layernorm.bias',
};

const inBlock: Readonly<Record<string, string>> = {
  norm1: 'layernorm_before',
  'attn.proj': 'attention.output.dense',
  norm2: 'layernorm_after',
  'mlp.fc1': 'intermediate.dense',
  'mlp.fc2': 'output.dense',
};

/** A weight of timm's as transformers stores it: the fused qkv as three. */
function storedTensors(name: string, tensor: HostTensor): readonly (readonly [string, HostTensor])[] {
  const known = outside[name];
  if (known !== undefined) return [[known, tensor]];
  const [, block, module, kind] = /^blocks\.(\d+)\.(.+)\.(weight|bias)$/.exec(name) ?? [];
  const layer = `encoder.layer.${block}`;
  if (module === 'attn.qkv') {
    const third = tensor.data.length / 3;
    const shape = [tensor.shape[0]! / 3, ...tensor.shape.slice(1)];
    return ['query', 'key', 'value'].map((part, i) => [
      `${layer}.attention.attention.${part}.${kind}`,
      hostTensor(shape, Float32Array.from(tensor.data.subarray(i * third, (i + 1) * third))),
    ]);
  }
  const own = inBlock[module ?? ''];
  return own === undefined ? [] : [[`${layer}.${own}.${kind}`, tensor]];
}

/** PIL's codes of the filters. */
const filters = {
  nearest: 0,
  lanczos: 1,
  bilinear: 2,
  bicubic: 3,
  box: 4,
  hamming: 5,
} as const satisfies Record<Preprocessing['interpolation'], number>;

/** The image processor that makes the same images. */
function processorOf(preprocessing: Preprocessing) {
  const { interpolation, mean, std } = preprocessing;
  return {
    ...geometryOf(preprocessing),
    resample: filters[interpolation],
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: true,
    image_mean: mean,
    image_std: std,
  };
}

/** Which processor gives images their size, and how. @throws InputError where none does it so */
function geometryOf({ imageSize, cropPct, cropMode = 'center' }: Preprocessing) {
  const [height, width] = imageSize;
  const crop = { do_center_crop: true, crop_size: { height, width } };
  const edge = Math.floor(Math.min(height, width) / cropPct);
  if (cropMode === 'shortest' || (cropMode === 'center' && height === width)) {
    return {
      image_processor_type: 'CLIPImageProcessor',
      do_resize: true,
      size: { shortest_edge: edge },
      ...crop,
    };
  }
  if (cropMode === 'squash') {
    const size = { height: Math.floor(height / cropPct), width: Math.floor(width / cropPct) };
    return cropPct < 1
      ? { image_processor_type: 'DeiTImageProcessor', do_resize: true, size, ...crop }
      : { image_processor_type: 'ViTImageProcessor', do_resize: true, size };
  }
  if (cropMode === 'crop') return { image_processor_type: 'CLIPImageProcessor', do_resize: false, ...crop };
  if (cropMode === 'exact')
    return { image_processor_type: 'ViTImageProcessor', do_resize: false, size: { height, width } };
  throw inexpressible(
    'transformers',
    'crops that are not square out of images that keep their ratio',
    'preprocessing',
  );
}
