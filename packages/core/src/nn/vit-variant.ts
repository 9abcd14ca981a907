import { add, maximum, mul, tanh } from '../ops/elementwise.js';
import { gelu } from '../ops/gelu.js';
import type { Tensor } from '../tensor/tensor.js';
import type { PrefixToken } from './architecture.js';

/** The function between the MLP's layers, by timm's names. */
export type Activation = 'gelu' | 'gelu_tanh' | 'quick_gelu' | 'silu' | 'relu';

/**
 * In what a Vision Transformer differs from the plain one of Dosovitskiy et al. 2021. What is absent is as there:
 * {@link plainVit}.
 */
export interface VitVariant {
  /** Absent: `true`. */
  readonly classToken?: boolean;
  /** A distillation token behind the class token (DeiT, Touvron et al. 2021). */
  readonly distilledToken?: boolean;
  /** Register tokens behind these (Darcet et al. 2024). */
  readonly registers?: number;
  /** Which tokens have a learned position: all, or the patches alone (timm's `no_embed_class`). */
  readonly positions?: 'all' | 'patches';
  /** A norm before the blocks, and then no bias in the patch embedding (CLIP). */
  readonly preNorm?: boolean;
  readonly qkvBias?: boolean;
  /** Biases of the attention's projection and of the MLP. */
  readonly projBias?: boolean;
  /** Norms of the queries and keys of each head. */
  readonly qkNorm?: boolean;
  /** What a block adds is scaled per channel (Touvron et al. 2021b). */
  readonly layerScale?: boolean;
  readonly activation?: Activation;
  /** `swiglu`: `fc1` gives a gate and a value, of `mlpWidth` each (Shazeer 2020). */
  readonly mlp?: 'plain' | 'swiglu';
  /**
   * What becomes the pooled features: the class token, the mean of class and distillation token, the mean of tokens,
   * or an attention over tokens with a learned query (SigLIP, Zhai et al. 2023); timm's `global_pool`.
   */
  readonly pool?: 'token' | 'distilled' | 'avg' | 'map';
  /** Mean and attention pooling take the prefix tokens in, too. */
  readonly poolPrefix?: boolean;
  /** What the last norm acts on: all tokens (timm's `norm`), the pooled features (`fc_norm`), or there is none. */
  readonly lastNorm?: 'tokens' | 'pooled' | 'none';
  /** Whether the checkpoint's own classifier has a bias. */
  readonly headBias?: boolean;
}

/** The plain Vision Transformer. */
export const plainVit: Required<VitVariant> = {
  classToken: true,
  distilledToken: false,
  registers: 0,
  positions: 'all',
  preNorm: false,
  qkvBias: true,
  projBias: true,
  qkNorm: false,
  layerScale: false,
  activation: 'gelu',
  mlp: 'plain',
  pool: 'token',
  poolPrefix: false,
  lastNorm: 'tokens',
  headBias: true,
};

/** The tokens before the patches, in order. */
export function prefixTokens(variant: VitVariant): readonly PrefixToken[] {
  const { classToken, distilledToken, registers } = { ...plainVit, ...variant };
  return [
    ...(classToken ? (['class'] as const) : []),
    ...(distilledToken ? (['distilled'] as const) : []),
    ...Array.from({ length: registers }, () => 'register' as const),
  ];
}

/** Applies an activation, elementwise. */
export function activate(x: Tensor, activation: Activation): Tensor {
  switch (activation) {
    case 'gelu':
      return gelu(x);
    case 'gelu_tanh': {
      // Hendrycks & Gimpel 2016, the approximation by a hyperbolic tangent.
      const inner = mul(add(x, mul(mul(mul(x, x), x), 0.044715)), Math.sqrt(2 / Math.PI));
      return mul(mul(x, 0.5), add(tanh(inner), 1));
    }
    case 'quick_gelu':
      return mul(x, sigmoid(mul(x, 1.702)));
    case 'silu':
      return mul(x, sigmoid(x));
    case 'relu':
      return maximum(x, 0);
  }
}

/** 1 / (1 + e^−x) as ½ + ½ tanh(x/2), which does not overflow. */
function sigmoid(x: Tensor): Tensor {
  return add(mul(tanh(mul(x, 0.5)), 0.5), 0.5);
}
