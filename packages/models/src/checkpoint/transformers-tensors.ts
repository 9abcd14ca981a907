import type { Shape } from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';
import type { Piece, StoredTensor, TensorLayout } from './tensor-layout.js';
import { wholeTensor } from './tensor-layout.js';

/** Modules outside the blocks: transformers' name → timm's. */
const modules: Readonly<Record<string, string>> = {
  'embeddings.cls_token': 'cls_token',
  'embeddings.class_embedding': 'cls_token',
  'embeddings.distillation_token': 'dist_token',
  'embeddings.register_tokens': 'reg_token',
  'embeddings.position_embeddings': 'pos_embed',
  'embeddings.position_embedding.weight': 'pos_embed',
  'embeddings.patch_embeddings.projection': 'patch_embed.proj',
  'embeddings.patch_embedding': 'patch_embed.proj',
  pre_layrnorm: 'norm_pre',
  layernorm: 'norm',
  post_layernorm: 'norm',
  'head.probe': 'attn_pool.latent',
  'head.attention.out_proj': 'attn_pool.proj',
  'head.layernorm': 'attn_pool.norm',
  'head.mlp.fc1': 'attn_pool.mlp.fc1',
  'head.mlp.fc2': 'attn_pool.mlp.fc2',
  classifier: 'head',
  cls_classifier: 'head',
  distillation_classifier: 'head_dist',
  visual_projection: 'head',
};

/** Modules of a block. */
const blockModules: Readonly<Record<string, string>> = {
  layernorm_before: 'norm1',
  layer_norm1: 'norm1',
  layernorm_after: 'norm2',
  layer_norm2: 'norm2',
  'attention.output.dense': 'attn.proj',
  'attention.o_proj': 'attn.proj',
  'self_attn.out_proj': 'attn.proj',
  'intermediate.dense': 'mlp.fc1',
  'mlp.weights_in': 'mlp.fc1',
  'output.dense': 'mlp.fc2',
  'mlp.weights_out': 'mlp.fc2',
  'mlp.down_proj': 'mlp.fc2',
  'layer_scale1.lambda1': 'ls1.gamma',
  'layer_scale2.lambda1': 'ls2.gamma',
};

/** Layers of a block that timm stacks into one, in its order. */
const stacks = [
  ['attn.qkv', ['attention.attention.query', 'attention.attention.key', 'attention.attention.value']],
  ['attn.qkv', ['attention.q_proj', 'attention.k_proj', 'attention.v_proj']],
  ['attn.qkv', ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj']],
  ['mlp.fc1', ['mlp.gate_proj', 'mlp.up_proj']],
] as const;

/** What no output here depends on: another tower, decoders, poolers behind the features, masks of pre-training. */
const unread =
  /^(?:text_model|text_projection|logit_scale$|logit_bias$|pooler|decoder)|mask_token$|position_ids$/;

/** Saved files have `encoder.layer`, the `state_dict` of a ViT in transformers 5 just `layers`. */
const inBlock = /^(?:encoder\.)?layers?\.(\d+)\.(.+)$/;

/**
 * The tensors of a vision model of transformers by timm's names, with query, key and value stacked into `attn.qkv`.
 * Knows the names of saved files, which all releases share, and those of the `state_dict` of transformers 4 and 5.
 * Names that are not known, and projections that cannot be stacked, are kept as they are, so that the check against
 * the model reports them.
 * @param unused modules that the model's own forward pass skips, by transformers' names
 */
export function transformersLayout(shapes: ReadonlyMap<string, Shape>, unused?: RegExp): TensorLayout {
  const tensors = new Map<string, StoredTensor>();
  for (const [stored, shape] of shapes) {
    if (unread.test(stored) || unused?.test(stored)) continue;
    const pooling = /^head\.attention\.in_proj_(weight|bias)$/.exec(stored);
    const fused = stackedLayer(stored, shapes);
    if (fused !== undefined) tensors.set(fused.name, fused.tensor);
    else if (pooling !== null) addPoolProjections(tensors, pooling[1]!, { stored, shape });
    else tensors.set(timmName(stored), wholeTensor(stored, shape, timmShape(timmName(stored), shape)));
  }
  if (tensors.has('reg_token')) foldClassPosition(tensors);
  return tensors;
}

function timmName(name: string): string {
  const whole = modules[name] ?? blockName(name);
  if (whole !== undefined) return whole;
  const [, module, kind] = /^(.*)(\.(?:weight|bias))$/.exec(name) ?? [];
  const known = module === undefined ? undefined : (modules[module] ?? blockName(module));
  return known === undefined ? name.replace(inBlock, 'blocks.$1.$2') : `${known}${kind}`;
}

function blockName(name: string): string | undefined {
  const [, block, module] = inBlock.exec(name) ?? [];
  const known = blockModules[module ?? ''];
  return known === undefined ? undefined : `blocks.${block}.${known}`;
}

/** Tokens and positions are `[1, N, D]` in timm, with as many axes as they need in transformers. */
function timmShape(name: string, shape: Shape): Shape {
  if (name === 'cls_token' && shape.length === 1) return [1, 1, ...shape];
  return name === 'pos_embed' && shape.length === 2 ? [1, ...shape] : shape;
}

/** The stack that a layer belongs to; `undefined` for other tensors, or where its parts do not fit. */
function stackedLayer(
  stored: string,
  shapes: ReadonlyMap<string, Shape>,
): { readonly name: string; readonly tensor: StoredTensor } | undefined {
  const [, block, inner] = inBlock.exec(stored) ?? [];
  const [, module, kind] = /^(.+)\.(weight|bias)$/.exec(inner ?? '') ?? [];
  const stack = stacks.find(([, names]) => names.some((name) => name === module));
  if (stack === undefined) return undefined;
  const [target, names] = stack;
  const parts = names.map((each) => stored.replace(`.${module}.${kind}`, `.${each}.${kind}`));
  const found = parts.map((part) => shapes.get(part));
  const shape = shapes.get(stored)!;
  if (!found.every((part) => sameTail(part, shape))) return undefined;
  const pieces: Piece[] = [];
  let to = 0;
  for (const [i, part] of parts.entries()) {
    const length = sizeOf(found[i]!);
    pieces.push({ stored: part, from: 0, length, to });
    to += length;
  }
  const rows = found.reduce((sum, part) => sum + part![0]!, 0);
  return { name: `blocks.${block}.${target}.${kind}`, tensor: { shape: [rows, ...shape.slice(1)], pieces } };
}

/** Whether two shapes can be stacked along axis 0. */
function sameTail(a: Shape | undefined, b: Shape): boolean {
  return a !== undefined && a.length === b.length && a.slice(1).every((extent, i) => extent === b[i + 1]);
}

/** Cuts the projections of SigLIP's pooling, stacked as in PyTorch's `MultiheadAttention`, into query and key-value. */
function addPoolProjections(
  tensors: Map<string, StoredTensor>,
  kind: string,
  { stored, shape }: { readonly stored: string; readonly shape: Shape },
): void {
  const third = Math.floor(shape[0]! / 3);
  const row = sizeOf(shape.slice(1));
  const cut = (start: number, rows: number): StoredTensor => ({
    shape: [rows, ...shape.slice(1)],
    pieces: [{ stored, from: start * row, length: rows * row, to: 0 }],
  });
  tensors.set(`attn_pool.q.${kind}`, cut(0, third));
  tensors.set(`attn_pool.kv.${kind}`, cut(third, shape[0]! - third));
}

/**
 * With registers, transformers adds a position to the class token and none to the registers; timm keeps positions of
 * patches alone, and the class token's is added to the token itself.
 */
function foldClassPosition(tensors: Map<string, StoredTensor>): void {
  const positions = tensors.get('pos_embed');
  const cls = tensors.get('cls_token');
  const [one, count, width] = positions?.shape ?? [];
  if (positions === undefined || cls === undefined || width === undefined || cls.shape.at(-1) !== width)
    return;
  const [{ stored }] = positions.pieces as [Piece];
  tensors.set('cls_token', { ...cls, pieces: [...cls.pieces, { stored, from: 0, length: width, to: 0 }] });
  tensors.set('pos_embed', {
    shape: [one!, count! - 1, width],
    pieces: [{ stored, from: width, length: (count! - 1) * width, to: 0 }],
  });
}
