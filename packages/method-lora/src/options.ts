import { linearTargets } from '@kora-bench/core/peft';
import { z } from 'zod';

/** Options of `lora`; unknown ones are rejected. */
export const optionsSchema = z.strictObject({
  /** r, the rank of every adapter: 1 … 1024, and at most the smaller side of every layer. */
  rank: z.int().min(1).max(1024).default(8),
  /** α: above 0. */
  alpha: z.number().positive().default(8),
  /**
   * The factor on every delta: α itself, α/r (Hu et al. 2022), or α/√r (rank-stabilised LoRA,
   * Kalajdzievski 2023, arXiv:2312.03732).
   */
  scaling: z.enum(['alpha', 'alpha/r', 'alpha/sqrt(r)']).default('alpha/r'),
  /** Layers of every block that get an adapter; `all-linear` is qkv, proj, fc1 and fc2. */
  targets: linearTargets.default('all-linear'),
  /**
   * How A and B start: A Kaiming-uniform and B zero, or, as PiSSA (Meng et al. 2024, arXiv:2404.02948), from the
   * weight's largest singular values, whose part the frozen weight then lacks.
   */
  init: z.enum(['kaiming', 'pissa']).default('kaiming'),
  /** LoRA+'s λ (Hayou et al. 2024, arXiv:2402.12354): the learning rate of B over that of A; 1 or above. */
  loraPlus: z.number().min(1).default(1),
  /** Share of the adapters' inputs that is dropped while training: 0 … below 1. */
  dropout: z.number().min(0).lt(1).default(0),
  /** Indices of the blocks that get adapters, peft's `layers_to_transform`; absent: all. */
  blocks: z
    .array(z.int().min(0))
    .min(1)
    .refine((list) => new Set(list).size === list.length, { error: 'names a block twice' })
    .optional(),
  /**
   * Ranks of single layers in place of `rank`, as peft's `rank_pattern`: by a layer's name or what it ends with
   * (`attn.qkv`, `blocks.3.attn.qkv`). The first that fits counts.
   */
  rankPattern: z.record(z.string().min(1), z.int().min(1).max(1024)).optional(),
  /** α of single layers in place of `alpha`, by the same names; peft's `alpha_pattern`. */
  alphaPattern: z.record(z.string().min(1), z.number().positive()).optional(),
  /** Which biases of the backbone train beside the adapters: none, all, or those of adapted layers; as in peft. */
  bias: z.enum(['none', 'all', 'lora_only']).optional(),
  /**
   * Also put an adapter on the checkpoint's own classifier, which the forward pass never uses: the
   * published form, where it is counted and never trained. No effect on a model without a classifier.
   */
  includeUnusedClassifier: z.boolean().default(false),
});

export type LoraOptions = z.infer<typeof optionsSchema>;

/** The factor on every delta. */
export function scaleOf({ rank, alpha, scaling }: Pick<LoraOptions, 'rank' | 'alpha' | 'scaling'>): number {
  switch (scaling) {
    case 'alpha':
      return alpha;
    case 'alpha/r':
      return alpha / rank;
    case 'alpha/sqrt(r)':
      return alpha / Math.sqrt(rank);
  }
}
