import { ShapeError } from '../errors/kora-error.js';
import type { Shape } from '../graph/shape.js';
import { formatShape, sameShape } from '../graph/shape.js';
import { scaledDotProductAttention } from '../ops/attention.js';
import { add } from '../ops/elementwise.js';
import { gelu } from '../ops/gelu.js';
import { layerNorm } from '../ops/layer-norm.js';
import { broadcastTo, reshape, transpose } from '../ops/layout.js';
import { linear } from '../ops/linear.js';
import { concat, narrow } from '../ops/slicing.js';
import type { Tensor } from '../tensor/tensor.js';
import type { LinearLayer, Site, SiteHook } from './site.js';
import type { VitConfig } from './vit-config.js';
import { patchGrid, vitWeightShapes } from './vit-config.js';

/** Gives the tensor of a weight by timm's name. */
export type WeightLookup = (name: string, shape: Shape) => Tensor;

/** Which token is what: first the prefix, then the patches, row by row. */
export interface TokenLayout {
  readonly prefix: readonly 'class'[];
  /** Rows and columns of patches. */
  readonly grid: readonly [rows: number, columns: number];
}

export interface VitOutput {
  /** The class token after the last norm, `[B, D]`, as the `features` site left it. */
  readonly features: Tensor;
  /** The patch tokens after the last norm, `[B, rows·columns, D]`. */
  readonly patchTokens: Tensor;
  /** All tokens after each block, `[B, N, D]` each, before the last norm. */
  readonly blockTokens: readonly Tensor[];
  /** The class token after each block, `[B, D]` each, before the last norm. */
  readonly blockFeatures: readonly Tensor[];
  readonly layout: TokenLayout;
}

/** The patch tokens `[B, rows·columns, D]` of all tokens `[B, N, D]`. */
export function patchTokens(tokens: Tensor, { prefix }: TokenLayout): Tensor {
  return narrow(tokens, 1, prefix.length, tokens.shape[1]!);
}

/**
 * The Vision Transformer of Dosovitskiy et al. 2021 as timm builds it: patch embedding, class token,
 * learned positions, pre-norm blocks with fused qkv, exact GELU, a last norm.
 * @param images normalised pixels `[B, 3, H, W]`
 */
export function vit(images: Tensor, config: VitConfig, weights: WeightLookup, hook: SiteHook): VitOutput {
  const shapes = vitWeightShapes(config);
  const weight = (name: string) => weights(name, shapes.get(name)!);
  const at = (site: Site): Tensor => {
    const value = hook(site);
    if (!sameShape(value.shape, site.value.shape)) {
      throw new ShapeError(`A method changed the shape of the value at ${site.name}.`, {
        expected: formatShape(site.value.shape),
        received: formatShape(value.shape),
        where: site.name,
        fix: 'Return a value of the same shape from the method’s hook.',
      });
    }
    return value;
  };
  const { builder } = images;
  let x = builder.withScope('embed', () => embed(images, config, weight));
  const blockTokens: Tensor[] = [];
  for (let index = 0; index < config.depth; index++) {
    x = builder.withScope(`blocks.${index}`, () => block(x, index, { config, weight, at }));
    blockTokens.push(x);
  }
  const normed = layerNorm(x, weight('norm.weight'), weight('norm.bias'), config.layerNormEps);
  const cls = classToken(normed);
  const features = at({ name: 'features', block: undefined, layer: 'features', input: cls, value: cls });
  const layout: TokenLayout = { prefix: ['class'], grid: patchGrid(config) };
  return {
    features,
    patchTokens: patchTokens(normed, layout),
    blockTokens,
    blockFeatures: blockTokens.map(classToken),
    layout,
  };
}

type Weight = (name: string) => Tensor;

/** What every block is traced from. */
interface Model {
  readonly config: VitConfig;
  readonly weight: Weight;
  readonly at: SiteHook;
}

/** `[B, 3, H, W] → [B, N, D]`: patches as rows of a matrix product, class token, positions. */
function embed(images: Tensor, config: VitConfig, weight: Weight): Tensor {
  const { patchSize: p, width } = config;
  const [rows, columns] = patchGrid(config);
  const [batch, channels, height, imageWidth] = images.shape;
  if (images.rank !== 4 || channels !== 3 || height !== rows * p || imageWidth !== columns * p) {
    throw new ShapeError(`The images do not fit ${config.name}.`, {
      expected: `[B, 3, ${rows * p}, ${columns * p}]`,
      received: formatShape(images.shape),
      where: 'images',
      fix: 'Resize the images to the model’s input size, or load the model for another image size.',
    });
  }
  const cut = transpose(reshape(images, [batch!, 3, rows, p, columns, p]), [0, 2, 4, 1, 3, 5]);
  const kernel = reshape(weight('patch_embed.proj.weight'), [width, 3 * p * p]);
  const patches = linear(
    reshape(cut, [batch!, rows * columns, 3 * p * p]),
    kernel,
    weight('patch_embed.proj.bias'),
  );
  const cls = broadcastTo(weight('cls_token'), [batch!, 1, width]);
  return add(concat([cls, patches], 1), weight('pos_embed'));
}

function block(x: Tensor, index: number, model: Model): Tensor {
  const { config, weight, at } = model;
  const name = `blocks.${index}`;
  const norm = (y: Tensor, layer: string) =>
    layerNorm(y, weight(`${name}.${layer}.weight`), weight(`${name}.${layer}.bias`), config.layerNormEps);
  const dense = (input: Tensor, layer: LinearLayer) => {
    const value = linear(input, weight(`${name}.${layer}.weight`), weight(`${name}.${layer}.bias`));
    return at({ name: `${name}.${layer}`, block: index, layer, input, value });
  };
  const attended = add(x, dense(attend(norm(x, 'norm1'), index, dense, model), 'attn.proj'));
  const hidden = gelu(dense(norm(attended, 'norm2'), 'mlp.fc1'));
  const value = add(attended, dense(hidden, 'mlp.fc2'));
  return at({ name: `${name}.output`, block: index, layer: 'output', input: x, value });
}

function attend(
  input: Tensor,
  index: number,
  dense: (input: Tensor, layer: LinearLayer) => Tensor,
  { config: { width, heads }, at }: Model,
): Tensor {
  const [batch, tokens] = [input.shape[0]!, input.shape[1]!];
  const qkv = dense(input, 'attn.qkv');
  const part = (layer: 'attn.q' | 'attn.k' | 'attn.v', i: number) => {
    const value = narrow(qkv, 2, i * width, (i + 1) * width);
    const used = at({ name: `blocks.${index}.${layer}`, block: index, layer, input, value });
    return transpose(reshape(used, [batch, tokens, heads, width / heads]), [0, 2, 1, 3]);
  };
  const mixed = scaledDotProductAttention(
    part('attn.q', 0),
    part('attn.k', 1),
    part('attn.v', 2),
    (width / heads) ** -0.5,
  );
  return reshape(transpose(mixed, [0, 2, 1, 3]), [batch, tokens, width]);
}

/** Token 0 of `[B, N, D]` as `[B, D]`. */
function classToken(x: Tensor): Tensor {
  return reshape(narrow(x, 1, 0, 1), [x.shape[0]!, x.shape[2]!]);
}
