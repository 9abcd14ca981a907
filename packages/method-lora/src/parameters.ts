import { InputError } from '@kora-bench/core/errors';
import type { Architecture } from '@kora-bench/core/nn';
import type { LinearSite, ParameterSpec } from '@kora-bench/core/peft';
import { linearInit, requireRank, targetLayers } from '@kora-bench/core/peft';
import type { LoraOptions } from './options.js';
import { scaleOf } from './options.js';

/** The names of an adapter's two matrices, as peft ends them. */
export const matrixA = 'lora_A.weight';
export const matrixB = 'lora_B.weight';

/** Prefix of the adapter on the checkpoint's own classifier. */
export const unusedClassifier = 'unused_classifier';

/** A linear layer with an adapter. */
export type AdaptedLayer = LinearSite & {
  /** r of its own. */
  readonly rank: number;
  /** The factor on its delta. */
  readonly scale: number;
};

/** The options that say which layers are adapted, and how. */
export type LayerOptions = Pick<
  LoraOptions,
  'targets' | 'rank' | 'alpha' | 'scaling' | 'blocks' | 'rankPattern' | 'alphaPattern'
>;

/**
 * The adapted layers of every block, in the order of the forward pass.
 * @throws InputError for a rank that is larger than a layer, a block that is not there, or a pattern that fits none
 */
export function adaptedLayers(model: Architecture, options: LayerOptions): AdaptedLayer[] {
  const { targets, blocks, rankPattern, alphaPattern } = options;
  const outside = blocks?.find((block) => block >= model.depth);
  if (outside !== undefined) {
    throw new InputError(`${model.name} has no block ${outside}.`, {
      where: 'options.blocks',
      expected: `blocks from 0 to ${model.depth - 1}`,
      received: String(outside),
      fix: 'Leave the block out, or choose a larger model.',
    });
  }
  const layers = targetLayers(model, targets)
    .filter(({ block }) => blocks === undefined || (block !== undefined && blocks.includes(block)))
    .map((layer): AdaptedLayer => {
      const rank = entryOf(rankPattern, layer.name) ?? options.rank;
      const alpha = entryOf(alphaPattern, layer.name) ?? options.alpha;
      return { ...layer, rank, scale: scaleOf({ rank, alpha, scaling: options.scaling }) };
    });
  for (const [field, pattern] of Object.entries({ rankPattern, alphaPattern })) {
    const idle = Object.keys(pattern ?? {}).find((key) => !layers.some(({ name }) => isNamed(name, key)));
    if (idle === undefined) continue;
    throw new InputError(`"${idle}" is no layer with an adapter.`, {
      where: `options.${field}`,
      expected: 'names of adapted layers or what they end with, e.g. attn.qkv or blocks.3.attn.qkv',
      received: idle,
      fix: 'Correct the name, or add the layer to the targets.',
    });
  }
  for (const layer of layers) requireRank(layer.rank, [layer]);
  return layers;
}

function entryOf(pattern: Readonly<Record<string, number>> | undefined, layer: string): number | undefined {
  return Object.entries(pattern ?? {}).find(([key]) => isNamed(layer, key))?.[1];
}

const isNamed = (layer: string, key: string) => layer === key || layer.endsWith(`.${key}`);

/** Whether a weight of the backbone is a bias that trains beside the adapters. */
export function trainsBias(
  name: string,
  { bias = 'none', targets, blocks }: Pick<LoraOptions, 'bias' | 'targets' | 'blocks'>,
): boolean {
  if (bias === 'none' || !name.endsWith('.bias')) return false;
  if (bias === 'all') return true;
  const [, block, kind] = /^blocks\.(\d+)\.(.+)\.bias$/.exec(name) ?? [];
  if (kind === undefined || blocks?.includes(Number(block)) === false) return false;
  if (targets === 'all-linear') return /^(?:attn\.(?:qkv|proj)|mlp\.fc[12])$/.test(kind);
  return targets.some((target) => target.replace(/^attn\.[qkv]$/, 'attn.qkv') === kind);
}

/** A `[r, in]`, Kaiming-uniform with a = √5, and B `[out, r]`, zero, per adapted layer (Hu et al. 2022). */
export function loraParameters(model: Architecture, options: LoraOptions): ParameterSpec[] {
  const { loraPlus } = options;
  const faster = loraPlus === 1 ? {} : { update: { learningRate: loraPlus } };
  const pair = (
    name: string,
    { rank, inFeatures, outFeatures }: Pick<AdaptedLayer, 'rank' | 'inFeatures' | 'outFeatures'>,
  ): ParameterSpec[] => [
    { name: `${name}.${matrixA}`, shape: [rank, inFeatures], init: linearInit },
    { name: `${name}.${matrixB}`, shape: [outFeatures, rank], init: { kind: 'zeros' }, ...faster },
  ];
  const used = adaptedLayers(model, options).flatMap((layer) => pair(layer.name, layer));
  if (!options.includeUnusedClassifier || model.numClasses === 0) return used;
  const { rank } = options;
  const classifier = { rank, inFeatures: model.featureWidth, outFeatures: model.numClasses };
  return [...used, ...pair(unusedClassifier, classifier)];
}
