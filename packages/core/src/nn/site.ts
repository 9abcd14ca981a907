import type { Tensor } from '../tensor/tensor.js';
import type { TokenLayout, Tokens } from './architecture.js';

/**
 * A place in a model where a method can reach in. The model knows no method: it calls the hooks at every site,
 * in the order of the forward pass, and goes on with what comes back.
 */
export interface SiteSpec {
  /** E.g. `blocks.3.attn.qkv`, `blocks.3.attn.v`, `blocks.3.output`, `features`. */
  readonly name: string;
  /** The same in all blocks, e.g. `attn.qkv`; the site's name outside the blocks. */
  readonly kind: string;
  /** Index of the block; absent outside the blocks. */
  readonly block?: number;
  /** Features that the layer reads, the extent of the input's last axis. */
  readonly inFeatures: number;
  /** Features that it gives, the extent of the value's last axis. */
  readonly outFeatures: number;
  /** The weight that the layer has, if any: `[out, in]` of a linear layer, `[D]` of a norm or a scale. */
  readonly weight?: string;
  /** Its bias `[out]`, if any. */
  readonly bias?: string;
  /** Where the layer is a part of a larger one: its rows of weight and bias. */
  readonly rows?: readonly [start: number, end: number];
}

/** A site while the forward pass goes by. */
export interface Site extends SiteSpec {
  /** What the layer reads: `[B, N, in]`, or `[B, F]` at `features`. */
  readonly input: Tensor;
  /** What the unmodified layer gives: `[B, N, out]`, or `[B, F]` at `features`. */
  readonly value: Tensor;
  /** What the tokens are; absent where the value has none. */
  readonly layout?: TokenLayout;
}

/** The tokens that enter a block. */
export interface TokenSite {
  /** Index of the block. */
  readonly block: number;
  readonly tokens: Tokens;
}

/** Keys and values of a block's attention. */
export interface KeysAndValues {
  /** `[B, heads, M, d]`. */
  readonly keys: Tensor;
  /** `[B, heads, M, d]`. */
  readonly values: Tensor;
}

/** A method's hands in a forward pass. What is absent changes nothing. */
export interface ForwardHooks {
  /** The value to go on with at a site: `site.value` itself, or one of the same shape. */
  value?(site: Site): Tensor;
  /**
   * A layer's weight in another form: `weight` itself, or one of the same shape. Passes decide whether it is made
   * once per step or applied beside the layer, and it merges into the backbone by itself.
   */
  weight?(site: SiteSpec, weight: Tensor): Tensor;
  /** A layer's bias in another form; as `weight`. */
  bias?(site: SiteSpec, bias: Tensor): Tensor;
  /** The tokens that enter a block: `tokens` itself, or with other prompts in the prefix. */
  tokens?(site: TokenSite): Tokens;
  /** Keys and values of a block, with the method's own added along the axis of tokens. */
  keysAndValues?(site: { readonly block: number } & KeysAndValues): KeysAndValues;
}
