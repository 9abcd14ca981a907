import { ShapeError } from '../errors/kora-error.js';
import { formatShape } from '../graph/shape.js';
import { scaledDotProductAttention } from '../ops/attention.js';
import { add, mul } from '../ops/elementwise.js';
import { layerNorm } from '../ops/layer-norm.js';
import { broadcastTo, reshape, transpose } from '../ops/layout.js';
import { concat, narrow } from '../ops/slicing.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Architecture, ForwardContext, ForwardOutput, Tokens } from './architecture.js';
import type { SiteTracer } from './trace-sites.js';
import { traceSites } from './trace-sites.js';
import type { VitConfig } from './vit-config.js';
import { vitClassifier, vitTokens, vitWeights } from './vit-config.js';
import { poolTokens } from './vit-pool.js';
import { vitSites } from './vit-sites.js';
import { activate, plainVit, type VitVariant } from './vit-variant.js';

/** A Vision Transformer, with what it was made from. */
export interface VitArchitecture extends Architecture {
  readonly family: 'vit';
  readonly config: VitConfig;
}

/** What a Vision Transformer was made from; `undefined` for models of other families. */
export function vitConfigOf(model: Architecture): VitConfig | undefined {
  return isVit(model) ? model.config : undefined;
}

/** Whether it is the Vision Transformer without any variant. */
export function isPlainVit(config: VitConfig): boolean {
  const variants = Object.entries(plainVit) as [keyof VitVariant, unknown][];
  return variants.every(([name, plain]) => config[name] === undefined || config[name] === plain);
}

function isVit(model: Architecture): model is VitArchitecture {
  return model.family === 'vit' && 'config' in model;
}

/**
 * The Vision Transformer of Dosovitskiy et al. 2021 as timm builds it, with all that its `VisionTransformer` can be
 * told to do otherwise: see {@link VitVariant}.
 */
export function vitArchitecture(config: VitConfig): VitArchitecture {
  const sites = vitSites(config);
  const variant = { ...plainVit, ...config };
  return {
    name: config.name,
    family: 'vit',
    config,
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
    forward: (images, context) =>
      forward(images, { config: variant, ...context, trace: traceSites(sites, context) }),
    lastNorm: (tokens, weight) =>
      variant.lastNorm === 'tokens'
        ? layerNorm(tokens, weight('norm.weight'), weight('norm.bias'), config.layerNormEps)
        : tokens,
  };
}

/** What all parts of the model are traced from. */
interface Model extends ForwardContext {
  readonly config: VitConfig & Required<VitVariant>;
  readonly trace: SiteTracer;
}

function forward(images: Tensor, model: Model): ForwardOutput {
  const { config, hooks, trace } = model;
  const { builder } = images;
  const layout = vitTokens(config);
  const eps = config.layerNormEps;
  let tokens: Tokens = { value: builder.withScope('embed', () => embed(images, model)), layout };
  const blocks: Tokens[] = [];
  for (let index = 0; index < config.depth; index++) {
    const entering = hooks.tokens?.({ block: index, tokens }) ?? tokens;
    tokens = builder.withScope(`blocks.${index}`, () => block(entering, index, model));
    blocks.push(tokens);
  }
  const { layout: last } = tokens;
  const value =
    config.lastNorm === 'tokens'
      ? trace.layerNorm('norm', tokens.value, { eps, layout: last })
      : tokens.value;
  const normed = { value, layout: last };
  const mean = poolTokens(normed, model);
  const pooled = config.lastNorm === 'pooled' ? trace.layerNorm('fc_norm', mean, { eps }) : mean;
  return { features: trace.at('features', { input: pooled, value: pooled }), blocks, tokens: normed };
}

/** `[B, 3, H, W] → [B, N, D]`: patches as rows of a matrix product, prefix tokens, positions. */
function embed(images: Tensor, { config, weight, trace }: Model): Tensor {
  const { patchSize: p, width, positions, preNorm, layerNormEps: eps } = config;
  const layout = vitTokens(config);
  const [rows, columns] = layout.grid;
  const [batch, channels, height, imageWidth] = images.shape;
  const [wantedHeight, wantedWidth] = config.imageSize;
  if (images.rank !== 4 || channels !== 3 || height !== wantedHeight || imageWidth !== wantedWidth) {
    throw new ShapeError(`The images do not fit ${config.name}.`, {
      expected: `[B, 3, ${wantedHeight}, ${wantedWidth}]`,
      received: formatShape(images.shape),
      where: 'images',
      fix: 'Resize the images to the model’s input size, or load the model for another image size.',
    });
  }
  const filled = narrow(narrow(images, 2, 0, rows * p), 3, 0, columns * p);
  const cut = transpose(reshape(filled, [batch!, 3, rows, p, columns, p]), [0, 2, 4, 1, 3, 5]);
  const input = reshape(cut, [batch!, rows * columns, 3 * p * p]);
  const patches = trace.linear('patch_embed', input);
  const prefix = prefixWeights(config).map((name) => {
    const token = weight(name);
    return broadcastTo(token, [batch!, token.shape[1]!, width]);
  });
  const together = (tail: Tensor) => (prefix.length === 0 ? tail : concat([...prefix, tail], 1));
  const value =
    positions === 'all'
      ? add(together(patches), weight('pos_embed'))
      : together(add(patches, weight('pos_embed')));
  const placed = trace.at('pos_embed', { input: value, value, layout });
  return preNorm ? trace.layerNorm('norm_pre', placed, { eps, layout }) : placed;
}

/** The weights that prefix tokens start from, in order. */
function prefixWeights({ classToken, distilledToken, registers }: Required<VitVariant>): string[] {
  return [
    ...(classToken ? ['cls_token'] : []),
    ...(distilledToken ? ['dist_token'] : []),
    ...(registers > 0 ? ['reg_token'] : []),
  ];
}

function block({ value: x, layout }: Tokens, index: number, model: Model): Tokens {
  const { config, trace } = model;
  const eps = config.layerNormEps;
  const site = (kind: string) => `blocks.${index}.${kind}`;
  const at = (kind: string, input: Tensor, value: Tensor) => trace.at(site(kind), { input, value, layout });
  const dense = (kind: string, input: Tensor) => trace.linear(site(kind), input, layout);
  const norm = (kind: string, input: Tensor) => trace.layerNorm(site(kind), input, { eps, layout });
  const scaled = (kind: string, input: Tensor) =>
    config.layerScale ? trace.scale(site(kind), input, layout) : input;
  const entering = at('input', x, x);
  const context = attend({ value: norm('norm1', entering), layout }, index, model);
  const projected = dense('attn.proj', at('attn.context', context, context));
  const attention = at('attn', entering, scaled('ls1', projected));
  const sum = add(entering, attention);
  const attended = at('attn.residual', sum, sum);
  const hidden = dense('mlp.fc1', norm('norm2', attended));
  const active = at('mlp.act', hidden, activateHidden(hidden, config));
  const mlp = at('mlp', attended, scaled('ls2', dense('mlp.fc2', active)));
  return { value: at('output', entering, add(attended, mlp)), layout };
}

/** What `fc2` reads: the activation of what `fc1` gives, or of its first half times its second. */
function activateHidden(hidden: Tensor, { mlp, mlpWidth, activation }: Model['config']): Tensor {
  if (mlp === 'plain') return activate(hidden, activation);
  const axis = hidden.rank - 1;
  const gate = narrow(hidden, axis, 0, mlpWidth);
  return mul(activate(gate, activation), narrow(hidden, axis, mlpWidth, 2 * mlpWidth));
}

/** Multi-head self-attention before its projection, `[B, N, D] → [B, N, D]`. */
function attend({ value: input, layout }: Tokens, index: number, { config, hooks, trace }: Model): Tensor {
  const { width, heads, qkNorm, layerNormEps: eps } = config;
  const [batch, tokens] = [input.shape[0]!, input.shape[1]!];
  const qkv = trace.linear(`blocks.${index}.attn.qkv`, input, layout);
  const part = (kind: string, i: number) => {
    const value = narrow(qkv, 2, i * width, (i + 1) * width);
    const used = trace.at(`blocks.${index}.${kind}`, { input, value, layout });
    return transpose(reshape(used, [batch, tokens, heads, width / heads]), [0, 2, 1, 3]);
  };
  const normed = (kind: string, perHead: Tensor) =>
    qkNorm ? trace.layerNorm(`blocks.${index}.${kind}`, perHead, { eps }) : perHead;
  const parts = [part('attn.q', 0), part('attn.k', 1), part('attn.v', 2)] as const;
  const [query, keys, values] = [normed('attn.q_norm', parts[0]), normed('attn.k_norm', parts[1]), parts[2]];
  const read = hooks.keysAndValues?.({ block: index, keys, values }) ?? { keys, values };
  const mixed = scaledDotProductAttention(query, read.keys, read.values, (width / heads) ** -0.5);
  return reshape(transpose(mixed, [0, 2, 1, 3]), [batch, tokens, width]);
}
