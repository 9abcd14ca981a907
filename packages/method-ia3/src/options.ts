import type { Architecture, SiteSpec } from '@kora-bench/core/nn';
import { requireSites } from '@kora-bench/core/nn';
import { linearLayers, linearTargetList } from '@kora-bench/core/peft';
import { z } from 'zod';

/** Options of `ia3`; unknown ones are rejected. */
export const optionsSchema = z
  .strictObject({
    /** Layers with scales. */
    targets: linearTargetList.default(['attn.k', 'attn.v', 'mlp.fc2']),
    /** Those of them whose inputs are scaled, instead of their outputs; absent: `mlp.fc2`, where it is a target. */
    feedforward: linearLayers.optional(),
  })
  .refine(({ targets, feedforward = [] }) => feedforward.every((name) => targets.includes(name)), {
    path: ['feedforward'],
    error: 'names a layer that is not among the targets',
  });

export type Ia3Options = z.infer<typeof optionsSchema>;

/** The name of a layer's scales, as peft ends it. */
export const scaleName = ({ name }: SiteSpec): string => `${name}.ia3_l`;

/** The scaled layers, and whether it is their input that is scaled. @throws InputError for a layer that is not there */
export function scaledLayers(model: Architecture, { targets, feedforward = ['mlp.fc2'] }: Ia3Options) {
  return requireSites(model, targets).map((site) => ({
    site,
    ofInput: feedforward.some((kind) => kind === site.kind),
  }));
}
