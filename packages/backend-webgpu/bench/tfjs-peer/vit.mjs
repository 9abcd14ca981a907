import { frozenLayerNorm, frozenLinear } from './frozen-layers.mjs';
import { gelu } from './gelu.mjs';
import { tf } from './tfjs.mjs';

/**
 * timm's Vision Transformer with frozen weights and LoRA (scale 1) on all linear layers, and a trained head.
 * @param weights host tensors of the backbone by timm's names
 * @returns from images `[B, 3, H, W]` and a lookup of trained tensors by name, the logits `[B, C]`
 */
export function loraVit(model, weights) {
  const { patchSize: p, width, depth, heads, layerNormEps } = model;
  const [rows, columns] = model.imageSize.map((size) => size / p);
  const tokens = rows * columns + 1;
  const linear = (name) => {
    const frozen = frozenLinear(weights.get(`${name}.weight`), weights.get(`${name}.bias`));
    return (x, trained) => {
      const narrow = tf.matMul(x, trained(`${name}.lora_A`), false, true);
      return tf.add(frozen(x), tf.matMul(narrow, trained(`${name}.lora_B`), false, true));
    };
  };
  const norm = (name) =>
    frozenLayerNorm(weights.get(`${name}.weight`), weights.get(`${name}.bias`), layerNormEps);
  const blocks = Array.from({ length: depth }, (_, i) => ({
    norm1: norm(`blocks.${i}.norm1`),
    qkv: linear(`blocks.${i}.attn.qkv`),
    proj: linear(`blocks.${i}.attn.proj`),
    norm2: norm(`blocks.${i}.norm2`),
    fc1: linear(`blocks.${i}.mlp.fc1`),
    fc2: linear(`blocks.${i}.mlp.fc2`),
  }));
  const lastNorm = norm('norm');
  const kernel = weights.get('patch_embed.proj.weight');
  const embedding = frozenLinear(
    { data: kernel.data, shape: [width, 3 * p * p] },
    weights.get('patch_embed.proj.bias'),
  );
  const position = tf.tensor3d(weights.get('pos_embed').data, [1, tokens, width]);
  const classToken = tf.tensor3d(weights.get('cls_token').data, [1, 1, width]);
  const scale = tf.scalar((width / heads) ** -0.5);

  const embed = (images) => {
    const batch = images.shape[0];
    const cut = tf.transpose(tf.reshape(images, [batch, 3, rows, p, columns, p]), [0, 2, 4, 1, 3, 5]);
    const patches = embedding(tf.reshape(cut, [batch * rows * columns, 3 * p * p]));
    const first = tf.tile(classToken, [batch, 1, 1]);
    const all = tf.concat([first, tf.reshape(patches, [batch, rows * columns, width])], 1);
    return tf.reshape(tf.add(all, position), [batch * tokens, width]);
  };
  const attend = (qkv) => {
    const batch = qkv.shape[0] / tokens;
    const parts = tf.transpose(tf.reshape(qkv, [batch, tokens, 3, heads, width / heads]), [2, 0, 3, 1, 4]);
    const [q, k, v] = tf
      .split(parts, 3)
      .map((part) => tf.reshape(part, [batch * heads, tokens, width / heads]));
    const mixed = tf.matMul(tf.softmax(tf.matMul(tf.mul(q, scale), k, false, true)), v);
    const joined = tf.transpose(tf.reshape(mixed, [batch, heads, tokens, width / heads]), [0, 2, 1, 3]);
    return tf.reshape(joined, [batch * tokens, width]);
  };

  return (images, trained) => {
    const batch = images.shape[0];
    let x = embed(images);
    for (const { norm1, qkv, proj, norm2, fc1, fc2 } of blocks) {
      x = tf.add(x, proj(attend(qkv(norm1(x), trained)), trained));
      x = tf.add(x, fc2(gelu(fc1(norm2(x), trained)), trained));
    }
    const first = tf.slice(tf.reshape(x, [batch, tokens, width]), [0, 0, 0], [batch, 1, width]);
    const features = lastNorm(tf.reshape(first, [batch, width]));
    return tf.add(tf.matMul(features, trained('head.weight'), false, true), trained('head.bias'));
  };
}
