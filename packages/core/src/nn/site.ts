import type { Tensor } from '../tensor/tensor.js';

/** The linear layers of a block, by timm's names. */
export type LinearLayer = 'attn.qkv' | 'attn.proj' | 'mlp.fc1' | 'mlp.fc2';

/**
 * A place in the model where a method may observe or replace a value. The model knows no method: it
 * calls its hook at every site, in the order of the forward pass, and goes on with what comes back.
 */
export interface Site {
  /** E.g. `blocks.3.attn.qkv`, `blocks.3.attn.v`, `blocks.3.output`, `features`. */
  readonly name: string;
  /** Index of the block, or `undefined` outside the blocks. */
  readonly block: number | undefined;
  /**
   * The layer inside its block. `attn.q`, `attn.k` and `attn.v` are the parts of qkv; `output` is the
   * block's result; `features` is the class token after the last norm.
   */
  readonly layer: LinearLayer | 'attn.q' | 'attn.k' | 'attn.v' | 'output' | 'features';
  /** What the layer reads: `[B, N, in]`, or `[B, D]` at `features`. */
  readonly input: Tensor;
  /** What the unmodified layer gives: `[B, N, out]`, or `[B, D]` at `features`. */
  readonly value: Tensor;
}

/** Returns the value to go on with: `site.value` itself, or one of the same shape. */
export type SiteHook = (site: Site) => Tensor;

/** The linear layers of one block in forward order. */
export const linearLayers: readonly LinearLayer[] = ['attn.qkv', 'attn.proj', 'mlp.fc1', 'mlp.fc2'];
