import { z } from 'zod';
import { InputError } from '../errors/kora-error.js';
import type { Architecture } from '../nn/architecture.js';
import { requireSites } from '../nn/architecture.js';
import type { SiteSpec } from '../nn/site.js';

/** Linear layers of a block by timm's names; `attn.q`, `attn.k`, `attn.v` are the parts of `attn.qkv`. */
export const linearTargetNames = [
  'attn.qkv',
  'attn.q',
  'attn.k',
  'attn.v',
  'attn.proj',
  'mlp.fc1',
  'mlp.fc2',
] as const;

export type LinearTarget = (typeof linearTargetNames)[number];

/** The linear layers of a block, each once. */
export const allLinear = [
  'attn.qkv',
  'attn.proj',
  'mlp.fc1',
  'mlp.fc2',
] as const satisfies readonly LinearTarget[];

/** The option `targets` of methods that sit on linear layers: which layers of every block they change. */
export const linearTargets = z.union([
  z.literal('all-linear'),
  z
    .array(z.enum(linearTargetNames))
    .min(1)
    .refine((list) => new Set(list).size === list.length, { error: 'names a target twice' })
    .refine((list) => !(list.includes('attn.qkv') && list.some((name) => /^attn\.[qkv]$/.test(name))), {
      error: 'names attn.qkv together with one of its own parts attn.q, attn.k, attn.v',
    }),
]);

export type LinearTargets = z.infer<typeof linearTargets>;

/** The site of a linear layer. */
export type LinearSite = SiteSpec & { readonly weight: string };

/**
 * The layers of every block that `targets` names, in the order of the forward pass.
 * @throws InputError for a layer that the model does not have
 */
export function targetLayers(model: Architecture, targets: LinearTargets): LinearSite[] {
  const sites = requireSites(model, targets === 'all-linear' ? allLinear : targets);
  return sites.filter((site): site is LinearSite => site.weight !== undefined);
}

/** @throws InputError where a matrix of this rank would be larger than the layer that it updates */
export function requireRank(rank: number, layers: readonly SiteSpec[]): void {
  const small = layers.find(({ inFeatures, outFeatures }) => rank > Math.min(inFeatures, outFeatures));
  if (small === undefined) return;
  throw new InputError(`The rank ${rank} is larger than the layer ${small.name}.`, {
    where: 'options.rank',
    expected: `at most ${Math.min(small.inFeatures, small.outFeatures)}, the smaller side of ${small.name} [${small.outFeatures}, ${small.inFeatures}]`,
    received: String(rank),
    fix: 'Lower the rank, or leave the layer out of the targets.',
  });
}
