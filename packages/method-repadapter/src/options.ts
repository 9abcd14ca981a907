import type { SiteSpec } from '@kora-bench/core/nn';
import { layerList } from '@kora-bench/core/peft';
import { z } from 'zod';

/** The layers that read what an adapter gives, and the norms that they stand behind. */
const norms = { 'attn.qkv': 'norm1', 'mlp.fc1': 'norm2' } as const;
const layerNames = ['attn.qkv', 'mlp.fc1'] as const satisfies readonly (keyof typeof norms)[];

/** Options of `repadapter`; unknown ones are rejected. */
export const optionsSchema = z
  .strictObject({
    /** Hidden width of every adapter: 1 … 1024, a multiple of `groups`. */
    bottleneck: z.int().min(1).max(1024).default(8),
    /** Groups of features that B keeps apart: 1 … 64; 1 is a dense B. */
    groups: z.int().min(1).max(64).default(2),
    /** s: above 0. */
    scale: z.number().positive().default(1),
    /** Share of the hidden features that are zero in a training step: in [0, 1). */
    dropout: z.number().min(0).lt(1).default(0),
    /** Layers with an adapter before them: attention's, the MLP's, or both. */
    targets: layerList(z.enum(layerNames)).min(1).default(['attn.qkv', 'mlp.fc1']),
  })
  .refine(({ bottleneck, groups }) => bottleneck % groups === 0, {
    path: ['bottleneck'],
    error: 'is not a multiple of groups',
  });

export type RepAdapterOptions = z.infer<typeof optionsSchema>;

/** The site of the norm before an adapted layer. */
export function normBefore({ name, kind }: SiteSpec): string {
  return name.slice(0, -kind.length) + norms[kind as keyof typeof norms];
}
