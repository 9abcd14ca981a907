import { ShapeError } from '../errors/kora-error.js';
import { formatShape } from '../graph/shape.js';
import { scaledDotProductAttention } from '../ops/attention.js';
import { add } from '../ops/elementwise.js';
import { gelu } from '../ops/gelu.js';
import { layerNorm } from '../ops/layer-norm.js';
import { broadcastTo, reshape, transpose } from '../ops/layout.js';
import { concat, narrow } from '../ops/slicing.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Architecture, ForwardContext, ForwardOutput, Tokens } from './architecture.js';
import { pooledTokens } from './architecture.js';
import type { SiteTracer } from './trace-sites.js';
import { traceSites } from './trace-sites.js';
import type { VitConfig } from './vit-config.js';
import { vitClassifier, vitSites, vitTokens, vitWeights } from './vit-config.js';

/**
 * The Vision Transformer of Dosovitskiy et al. 2021 as timm builds it: patch embedding, class token,
 * learned positions, pre-norm blocks with fused qkv, exact GELU, a last norm.
 */
export function vitArchitecture(config: VitConfig): Architecture {
  const sites = vitSites(config);
  return {
    name: config.name,
    family: 'vit',
    imageSize: config.imageSize,
    width: config.width,
    featureWidth: config.width,
    depth: config.depth,
    numClasses: config.numClasses,
    tokens: vitTokens(config),
    acceptsPrompts: true,
    weights: vitWeights(config),
    classifier: vitClassifier(config),
    sites,
    forward: (images, context) => forward(images, { config, ...context, trace: traceSites(sites, context) }),
    lastNorm: (tokens, weight) =>
      layerNorm(tokens, weight('norm.weight'), weight('norm.bias'), config.layerNormEps),
  };
}

/** What all parts of the model are traced from. */
interface Model extends ForwardContext {
  readonly config: VitConfig;
  readonly trace: SiteTracer;
}

function forward(images: Tensor, model: Model): ForwardOutput {
  const { config, hooks, trace } = model;
  const { builder } = images;
  const layout = vitTokens(config);
  let tokens: Tokens = { value: builder.withScope('embed', () => embed(images, model)), layout };
  const blocks: Tokens[] = [];
  for (let index = 0; index < config.depth; index++) {
    const entering = hooks.tokens?.({ block: index, tokens }) ?? tokens;
    tokens = builder.withScope(`blocks.${index}`, () => block(entering, index, model));
    blocks.push(tokens);
  }
  const { layout: last } = tokens;
  const value = trace.layerNorm('norm', tokens.value, { eps: config.layerNormEps, layout: last });
  const normed = { value, layout: last };
  const pooled = pooledTokens(normed);
  return { features: trace.at('features', { input: pooled, value: pooled }), blocks, tokens: normed };
}

/** `[B, 3, H, W] → [B, N, D]`: patches as rows of a matrix product, class token, positions. */
function embed(images: Tensor, { config, weight, trace }: Model): Tensor {
  const { patchSize: p, width } = config;
  const layout = vitTokens(config);
  const [rows, columns] = layout.grid;
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
  const input = reshape(cut, [batch!, rows * columns, 3 * p * p]);
  const patches = trace.linear('patch_embed', input);
  const cls = broadcastTo(weight('cls_token'), [batch!, 1, width]);
  const value = add(concat([cls, patches], 1), weight('pos_embed'));
  return trace.at('pos_embed', { input: value, value, layout });
}

function block({ value: x, layout }: Tokens, index: number, model: Model): Tokens {
  const { config, trace } = model;
  const eps = config.layerNormEps;
  const site = (kind: string) => `blocks.${index}.${kind}`;
  const at = (kind: string, input: Tensor, value: Tensor) => trace.at(site(kind), { input, value, layout });
  const dense = (kind: string, input: Tensor) => trace.linear(site(kind), input, layout);
  const norm = (kind: string, input: Tensor) => trace.layerNorm(site(kind), input, { eps, layout });
  const entering = at('input', x, x);
  const context = attend({ value: norm('norm1', entering), layout }, index, model);
  const attention = at('attn', entering, dense('attn.proj', at('attn.context', context, context)));
  const sum = add(entering, attention);
  const attended = at('attn.residual', sum, sum);
  const hidden = dense('mlp.fc1', norm('norm2', attended));
  const mlp = at('mlp', attended, dense('mlp.fc2', at('mlp.act', hidden, gelu(hidden))));
  return { value: at('output', entering, add(attended, mlp)), layout };
}

/** Multi-head self-attention before its projection, `[B, N, D] → [B, N, D]`. */
function attend({ value: input, layout }: Tokens, index: number, { config, hooks, trace }: Model): Tensor {
  const { width, heads } = config;
  const [batch, tokens] = [input.shape[0]!, input.shape[1]!];
  const qkv = trace.linear(`blocks.${index}.attn.qkv`, input, layout);
  const part = (kind: string, i: number) => {
    const value = narrow(qkv, 2, i * width, (i + 1) * width);
    const used = trace.at(`blocks.${index}.${kind}`, { input, value, layout });
    return transpose(reshape(used, [batch, tokens, heads, width / heads]), [0, 2, 1, 3]);
  };
  const [query, keys, values] = [part('attn.q', 0), part('attn.k', 1), part('attn.v', 2)];
  const read = hooks.keysAndValues?.({ block: index, keys, values }) ?? { keys, values };
  const mixed = scaledDotProductAttention(query, read.keys, read.values, (width / heads) ** -0.5);
  return reshape(transpose(mixed, [0, 2, 1, 3]), [batch, tokens, width]);
}
