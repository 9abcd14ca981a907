import { z } from 'zod';
import { InputError } from '../errors/kora-error.js';
import type { Architecture } from '../nn/architecture.js';
import { requireSites } from '../nn/architecture.js';
import type { SiteSpec } from '../nn/site.js';

/** Linear layers of a block by timm's names; `attn.q`, `attn.k`, `attn.v` are the parts of `attn.qkv`. */
const linearTargetNames = [
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

/** A list of layers, each named once. */
export function layerList<Layer extends z.ZodType<string>>(layer: Layer): z.ZodArray<Layer> {
  return z.array(layer).refine((list) => new Set(list).size === list.length, {
    error: 'names a layer twice',
  });
}

/** A list of linear layers of a block. */
export const linearLayers = layerList(z.enum(linearTargetNames));

/** The linear layers that a method changes: at least one, and none beside its own part. */
export const linearTargetList = linearLayers
  .min(1)
  .refine((list) => !(list.includes('attn.qkv') && list.some((name) => /^attn\.[qkv]$/.test(name))), {
    error: 'names attn.qkv together with one of its own parts attn.q, attn.k, attn.v',
  });

/** The option `targets` of methods that may sit on all linear layers: which layers of every block they change. */
export const linearTargets = z.union([z.literal('all-linear'), linearTargetList]);

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
