import { CheckpointError } from '@kora-bench/core/errors';

type Features = readonly (readonly [pattern: RegExp, feature: string])[];

/** Names of timm's architectures that need more than its `VisionTransformer` with a supported argument. */
const ofTimmNames: Features = [
  [/dinov3|^eva02|_rope_|^vit_pe_/, 'rotary position embeddings'],
  [/^eva_giant/, 'attention with biases of queries and values alone'],
  [/^naflexvit/, 'patch grids of any shape (NaFlex)'],
  [/^beit3/, 'norms inside attention and MLP'],
  [/^beit|^vit_s?relpos|_relpos/, 'relative position biases'],
  [/^swin|^samvit|window/, 'window attention'],
  [/_r\d+_s\d+|_resnet|_mci_|_r\d+_|hybrid/, 'a convolutional stem (hybrid)'],
  [/_18x2_|_xp_|_[dp]?pwee_/, 'attention and MLP in parallel'],
  [/_d(?:wee|little)_/, 'differential attention'],
  [/_rpn_/, 'norms after attention and MLP'],
  [/^aimv2|^test_vit4$/, 'root-mean-square norms'],
  [/_radio_/, 'RADIO’s resampled positions'],
];

/** Model types of transformers. */
const ofModelTypes: Features = [
  [/^dinov3_vit|^eomt_dinov3|^pe_/, 'rotary position embeddings'],
  [/^beit|^data2vec-vision/, 'relative position biases'],
  [/^swin/, 'window attention'],
  [/^vit-hybrid|^vit_hybrid|^dpt/, 'a convolutional stem (hybrid)'],
  [/^siglip2/, 'patch grids of any shape (NaFlex)'],
];

/** Tensors that no supported model has. */
const ofTensors: Features = [
  [
    /weight_format|\.SCB$|absmax|quant_map|quant_state|qweight|qzeros|weight_scale|scale_inv/,
    'quantised weights',
  ],
  [/relative_position|rel_pos/, 'relative position biases'],
  [/(?:^|\.)rope|rotary|freqs/, 'rotary position embeddings'],
  [/attn\.norm\.|mlp\.norm\.|inner_attn_ln|ffn_ln/, 'norms inside attention and MLP'],
  [/attn\.(?:q|v)_bias/, 'attention with biases of queries and values alone'],
  [/fc1_g|fc1_x|\.w12\.|\.w3\./, 'a gated MLP in separate layers'],
  [/patch_embed\.backbone|patch_embed\.conv|stem/, 'a convolutional stem (hybrid)'],
  [/patch_embed\.norm/, 'a norm in the patch embedding'],
  [/lora_|\.adapter|base_layer/, 'adapters that are not merged into the weights'],
  [/\.gate\./, 'gated attention'],
  [/ls\d\.gamma|layer_scale|gamma_\d/, 'layer scale'],
  [/reg_token|register_tokens/, 'register tokens'],
  [/dist_token|head_dist|distillation/, 'a distillation token'],
  [/[qk]_norm/, 'query and key norms'],
  [/attn_pool/, 'attention pooling'],
  [/fc_norm/, 'a norm after pooling'],
  [/norm_pre|pre_layrnorm/, 'a norm before the blocks'],
  [/cls_token|class_embedding/, 'a class token'],
];

const find = (features: Features, name: string) => features.find(([pattern]) => pattern.test(name))?.[1];

/** What an architecture of timm needs that is missing here; `undefined` when its name does not tell. */
export const featureOfTimmName = (name: string): string | undefined => find(ofTimmNames, name);

/** What a model type of transformers needs that is missing here; `undefined` when it does not tell. */
export const featureOfModelType = (type: string): string | undefined => find(ofModelTypes, type);

/** The features that tensors belong to, each once, as far as their names tell. */
export function featuresOfTensors(names: readonly string[]): readonly string[] {
  return [...new Set(names.flatMap((name) => find(ofTensors, name) ?? []))];
}

/** The error for a checkpoint that is right, but needs something that is not supported. */
export function unsupported(
  feature: string,
  details: {
    readonly where: string;
    readonly expected: string;
    readonly received: string;
    readonly fix?: string;
  },
): CheckpointError {
  return new CheckpointError(`The checkpoint needs what is not supported: ${feature}.`, {
    fix: 'Use another model. Nothing is wrong with the file: with the field changed, its outputs would be wrong.',
    ...details,
  });
}
