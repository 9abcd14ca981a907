import { z } from 'zod';

/** What an adapter can sit on, by timm's names; `attn.q`, `attn.k`, `attn.v` are the parts of `attn.qkv`. */
export const targetNames = [
  'attn.qkv',
  'attn.q',
  'attn.k',
  'attn.v',
  'attn.proj',
  'mlp.fc1',
  'mlp.fc2',
] as const;

export type LoraTarget = (typeof targetNames)[number];

/** The linear layers of a block, each once. */
export const allLinear = [
  'attn.qkv',
  'attn.proj',
  'mlp.fc1',
  'mlp.fc2',
] as const satisfies readonly LoraTarget[];

const targets = z
  .array(z.enum(targetNames))
  .min(1)
  .refine((list) => new Set(list).size === list.length, { error: 'names a target twice' })
  .refine((list) => !(list.includes('attn.qkv') && list.some((name) => /^attn\.[qkv]$/.test(name))), {
    error: 'names attn.qkv together with one of its own parts attn.q, attn.k, attn.v',
  });

/** Options of `lora`; unknown ones are rejected. */
export const optionsSchema = z.strictObject({
  /** r, the rank of every adapter: 1 … 1024. */
  rank: z.int().min(1).max(1024).default(8),
  /** α: above 0. */
  alpha: z.number().positive().default(8),
  /**
   * The factor on every delta: α itself, α/r (Hu et al. 2022), or α/√r (rank-stabilised LoRA,
   * Kalajdzievski 2023, arXiv:2312.03732).
   */
  scaling: z.enum(['alpha', 'alpha/r', 'alpha/sqrt(r)']).default('alpha/r'),
  /** Layers of every block that get an adapter; `all-linear` is qkv, proj, fc1 and fc2. */
  targets: z.union([z.literal('all-linear'), targets]).default('all-linear'),
  /**
   * Also put an adapter on the checkpoint's own classifier, which the forward pass never uses: the
   * published form, where it is counted and never trained. No effect on a model without a classifier.
   */
  includeUnusedClassifier: z.boolean().default(false),
});

export type LoraOptions = z.infer<typeof optionsSchema>;

/** The factor on every delta. */
export function scaleOf({ rank, alpha, scaling }: LoraOptions): number {
  switch (scaling) {
    case 'alpha':
      return alpha;
    case 'alpha/r':
      return alpha / rank;
    case 'alpha/sqrt(r)':
      return alpha / Math.sqrt(rank);
  }
}
