import { scaledDotProductAttention } from '../ops/attention.js';
import { add, mul } from '../ops/elementwise.js';
import { broadcastTo, reshape, transpose } from '../ops/layout.js';
import { mean } from '../ops/reduce.js';
import { narrow } from '../ops/slicing.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Tokens, WeightLookup } from './architecture.js';
import { patchTokens, prefixToken } from './architecture.js';
import type { SiteTracer } from './trace-sites.js';
import type { VitConfig } from './vit-config.js';
import { activate, type VitVariant } from './vit-variant.js';

interface PoolContext {
  readonly config: VitConfig & Required<VitVariant>;
  readonly weight: WeightLookup;
  readonly trace: SiteTracer;
}

/** What becomes of the tokens for a classifier, `[B, N, D] → [B, D]`, as timm's `global_pool` says. */
export function poolTokens(tokens: Tokens, context: PoolContext): Tensor {
  const { pool, poolPrefix } = context.config;
  switch (pool) {
    case 'token':
      return prefixToken(tokens, 'class')!;
    case 'distilled':
      return mul(add(prefixToken(tokens, 'class')!, prefixToken(tokens, 'distilled')!), 0.5);
    case 'avg':
      return mean(poolPrefix ? tokens.value : patchTokens(tokens), { axes: [1] });
    case 'map':
      return attentionPool(poolPrefix ? tokens.value : patchTokens(tokens), context);
  }
}

/** Attention of one learned query over all tokens, then an MLP: timm's `AttentionPoolLatent`. */
function attentionPool(input: Tensor, { config, weight, trace }: PoolContext): Tensor {
  const { width, heads, layerNormEps: eps, activation } = config;
  const [batch, tokens] = [input.shape[0]!, input.shape[1]!];
  const perHead = (x: Tensor, rows: number) =>
    transpose(reshape(x, [x.shape[0]!, rows, heads, width / heads]), [0, 2, 1, 3]);
  const query = trace.linear('attn_pool.q', weight('attn_pool.latent'));
  const keysAndValues = trace.linear('attn_pool.kv', input);
  const half = (i: number) => perHead(narrow(keysAndValues, 2, i * width, (i + 1) * width), tokens);
  const queries = perHead(broadcastTo(query, [batch, 1, width]), 1);
  const mixed = scaledDotProductAttention(queries, half(0), half(1), (width / heads) ** -0.5);
  const x = trace.linear('attn_pool.proj', reshape(transpose(mixed, [0, 2, 1, 3]), [batch, 1, width]));
  const hidden = trace.linear('attn_pool.mlp.fc1', trace.layerNorm('attn_pool.norm', x, { eps }));
  const active = trace.at('attn_pool.mlp.act', { input: hidden, value: activate(hidden, activation) });
  return reshape(add(x, trace.linear('attn_pool.mlp.fc2', active)), [batch, width]);
}
