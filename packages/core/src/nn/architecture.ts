import type { Preprocessing } from '../data/image-split.js';
import { InputError } from '../errors/kora-error.js';
import type { Shape } from '../graph/shape.js';
import { reshape } from '../ops/layout.js';
import { mean } from '../ops/reduce.js';
import { concat, narrow } from '../ops/slicing.js';
import type { HostTensor } from '../tensor/host-tensor.js';
import type { Tensor } from '../tensor/tensor.js';
import type { ForwardHooks, SiteSpec } from './site.js';

/** What stands before the patches: a class token, a distilled one, registers, or prompts that a method added. */
export type PrefixToken = 'class' | 'distilled' | 'register' | 'prompt';

/** Which token is what: first the prefix, then the patches, row by row. */
export interface TokenLayout {
  readonly prefix: readonly PrefixToken[];
  /** Rows and columns of patches. */
  readonly grid: readonly [rows: number, columns: number];
}

/** Tokens `[B, N, D]` and what they are; N is the length of the prefix and all patches. */
export interface Tokens {
  readonly value: Tensor;
  readonly layout: TokenLayout;
}

/** The number of tokens N. */
export function tokenCount({ prefix, grid }: TokenLayout): number {
  return prefix.length + grid[0] * grid[1];
}

/** The patch tokens `[B, rows·columns, D]`. */
export function patchTokens({ value, layout }: Tokens): Tensor {
  return narrow(value, 1, layout.prefix.length, value.shape[1]!);
}

/** The first token of a kind before the patches, `[B, D]`; `undefined` where there is none. */
export function prefixToken({ value, layout }: Tokens, kind: PrefixToken): Tensor | undefined {
  const at = layout.prefix.indexOf(kind);
  return at < 0 ? undefined : reshape(narrow(value, 1, at, at + 1), [value.shape[0]!, value.shape[2]!]);
}

/** The model's own tokens `[B, N, D]`: all but the prompts that a method added. */
export function ownTokens(tokens: Tokens): Tensor {
  const { value, layout } = tokens;
  if (!layout.prefix.includes('prompt')) return value;
  const prefix = layout.prefix.flatMap((kind, at) =>
    kind === 'prompt' ? [] : [narrow(value, 1, at, at + 1)],
  );
  return concat([...prefix, patchTokens(tokens)], 1);
}

/** What stands for an image inside the model: the class token, or the mean of the patches where there is none, `[B, D]`. */
export function pooledTokens(tokens: Tokens): Tensor {
  return prefixToken(tokens, 'class') ?? mean(patchTokens(tokens), { axes: [1] });
}

/** Gives the tensor of a weight by its name. */
export type WeightLookup = (name: string) => Tensor;

/** What a forward pass is traced from. */
export interface ForwardContext {
  readonly weight: WeightLookup;
  readonly hooks: ForwardHooks;
}

export interface ForwardOutput {
  /** What heads read: the pooled features `[B, F]`, as the `features` site left them. */
  readonly features: Tensor;
  /** The tokens after each block, before the last norm. */
  readonly blocks: readonly Tokens[];
  /** The tokens after the last norm. */
  readonly tokens: Tokens;
}

/**
 * A model without its weights: what they are called, where methods can reach in, and how images become features.
 * Methods, heads, counting, CKA, audits and merging ask it, and know no family of models.
 */
export interface Architecture {
  /** E.g. `vit_tiny_patch16_224`. */
  readonly name: string;
  /** The family that it belongs to, e.g. `vit`. */
  readonly family: string;
  /** Input height and width in pixels. */
  readonly imageSize: readonly [height: number, width: number];
  /** Features D of a token inside the blocks. */
  readonly width: number;
  /** Features F of the pooled features that heads read. */
  readonly featureWidth: number;
  /** Number of blocks. */
  readonly depth: number;
  /** Classes of the checkpoint's own classifier; 0 if it has none. */
  readonly numClasses: number;
  /** The tokens of the blocks, before a method adds any. */
  readonly tokens: TokenLayout;
  /** Whether the model computes with one token more: not where attention has a bias per pair of positions. */
  readonly acceptsPrompts: boolean;
  /** Shapes of the weights by name, without the checkpoint's own classifier. */
  readonly weights: ReadonlyMap<string, Shape>;
  /** Shapes of the checkpoint's own classifier, which no forward pass reads; empty if there is none. */
  readonly classifier: ReadonlyMap<string, Shape>;
  /** Every place that methods can reach, in the order of the forward pass. */
  readonly sites: readonly SiteSpec[];
  /**
   * Traces the forward pass.
   * @param images normalised pixels `[B, 3, H, W]`
   * @throws ShapeError when the images are of another size
   */
  forward(images: Tensor, context: ForwardContext): ForwardOutput;
  /** The last norm, on tokens of an earlier block: `[…, D] → […, D]`; the tokens themselves where they are not normed. */
  lastNorm(tokens: Tensor, weight: WeightLookup): Tensor;
}

/** An architecture with its weights. */
export interface Checkpoint {
  readonly model: Architecture;
  readonly preprocessing: Preprocessing;
  /** Tensors by the architecture's names (timm's: `blocks.0.attn.qkv.weight`), float32. */
  readonly tensors: ReadonlyMap<string, HostTensor>;
  /** SHA-256 (hex) of the weights file; the key of feature caches. */
  readonly fingerprint: string;
  /** What a reader of results must know, e.g. what the weights were trained on. */
  readonly notes: readonly string[];
}

/**
 * The sites of some kinds, in the order of the forward pass.
 * @throws InputError naming a kind that the model does not have, with those that it has
 */
export function requireSites(model: Architecture, kinds: readonly string[]): SiteSpec[] {
  const known = new Set(model.sites.map(({ kind }) => kind));
  const missing = kinds.find((kind) => !known.has(kind));
  if (missing !== undefined) {
    throw new InputError(`${model.name} has no site "${missing}".`, {
      where: `the sites of ${model.family}`,
      expected: [...known].join(', '),
      received: missing,
      fix: 'Use a method that needs none of this kind, or another model.',
    });
  }
  return model.sites.filter(({ kind }) => kinds.includes(kind));
}
