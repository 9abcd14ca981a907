import type { VitConfig } from '@kora-bench/core/nn';
import type * as tfjs from '@tensorflow/tfjs';

type Tf = typeof tfjs;

/** A frozen weight, or a trained parameter, by its name. */
export type Lookup = (name: string) => tfjs.Tensor;

/** A model written with tfjs's own operations. */
export interface UsualVit {
  readonly model: VitConfig;
  /** Matrices are `[in, out]`, as in tf.layers: forward products read them as they are. */
  readonly frozen: Lookup;
  readonly trained: Lookup;
  /** Of the adapters that are on all linear layers. */
  readonly scale: number;
}

/**
 * timm's Vision Transformer with frozen weights, LoRA on all linear layers and a trained head, as one writes it
 * in tfjs: plain operations, nothing fused and no gradient by hand.
 * @returns the logits `[B, C]` of images `[B, 3, H, W]`
 */
export function usualVit(
  tf: Tf,
  images: tfjs.Tensor,
  { model, frozen, trained, scale }: UsualVit,
): tfjs.Tensor2D {
  const { patchSize: p, width, depth, heads, layerNormEps } = model;
  const [rows, columns] = model.imageSize.map((size) => size / p) as [number, number];
  const [batch, tokens] = [images.shape[0]!, rows * columns + 1];

  const linear = (x: tfjs.Tensor, name: string) => {
    const low = tf.matMul(x, trained(`${name}.lora_A.weight`));
    const update = tf.mul(tf.matMul(low, trained(`${name}.lora_B.weight`)), scale);
    return tf.add(tf.add(tf.matMul(x, frozen(`${name}.weight`)), frozen(`${name}.bias`)), update);
  };
  const norm = (x: tfjs.Tensor, name: string) => {
    const { mean, variance } = tf.moments(x, -1, true);
    const normalized = tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, layerNormEps)));
    return tf.add(tf.mul(normalized, frozen(`${name}.weight`)), frozen(`${name}.bias`));
  };
  const gelu = (x: tfjs.Tensor) => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.div(x, Math.SQRT2)), 1));
  const attend = (qkv: tfjs.Tensor) => {
    const parts = tf.transpose(tf.reshape(qkv, [batch, tokens, 3, heads, width / heads]), [2, 0, 3, 1, 4]);
    const [q, k, v] = tf
      .split(parts, 3)
      .map((part) => tf.reshape(part, [batch * heads, tokens, width / heads])) as [
      tfjs.Tensor,
      tfjs.Tensor,
      tfjs.Tensor,
    ];
    const scores = tf.mul(tf.matMul(q, k, false, true), (width / heads) ** -0.5);
    const mixed = tf.matMul(tf.softmax(scores), v);
    const joined = tf.transpose(tf.reshape(mixed, [batch, heads, tokens, width / heads]), [0, 2, 1, 3]);
    return tf.reshape(joined, [batch * tokens, width]);
  };

  const cut = tf.transpose(tf.reshape(images, [batch, 3, rows, p, columns, p]), [0, 2, 4, 1, 3, 5]);
  const flat = tf.reshape(cut, [batch * rows * columns, 3 * p * p]);
  const patches = tf.add(tf.matMul(flat, frozen('patch_embed.proj.weight')), frozen('patch_embed.proj.bias'));
  const first = tf.tile(frozen('cls_token'), [batch, 1, 1]);
  const all = tf.concat([first, tf.reshape(patches, [batch, rows * columns, width])], 1);
  let x = tf.reshape(tf.add(all, frozen('pos_embed')), [batch * tokens, width]);
  for (let i = 0; i < depth; i++) {
    const name = `blocks.${i}`;
    const attended = attend(linear(norm(x, `${name}.norm1`), `${name}.attn.qkv`));
    x = tf.add(x, linear(attended, `${name}.attn.proj`));
    const hidden = gelu(linear(norm(x, `${name}.norm2`), `${name}.mlp.fc1`));
    x = tf.add(x, linear(hidden, `${name}.mlp.fc2`));
  }
  const normed = tf.reshape(norm(x, 'norm'), [batch, tokens, width]);
  const features = tf.reshape(tf.slice(normed, [0, 0, 0], [batch, 1, width]), [batch, width]);
  return tf.add(tf.matMul(features, trained('head.weight')), trained('head.bias'));
}
