import { FormatError, InputError } from '../errors/kora-error.js';
import type { Architecture } from '../nn/architecture.js';
import { adapterConfigFile, mergeInPython } from './adapter-config.js';
import { adapterFile } from './adapter-tensors.js';
import type { PeftConfig, PeftReadContext } from './peft-form.js';
import { peftPrefix } from './peft-form.js';
import type { LinearSite, LinearTargets } from './targets.js';
import { allLinear } from './targets.js';

type LayerKind = (typeof allLinear)[number];

/** The option `targets` that names these kinds of layers. */
export function targetsOf(kinds: readonly LayerKind[]): LinearTargets {
  return kinds.length === allLinear.length ? 'all-linear' : [...kinds];
}

/**
 * For methods that peft cannot put on query, key or value alone where timm has them in one layer.
 * @param action what peft would have to do with such a layer, e.g. `transform`
 * @throws InputError where one of the layers is a part of the fused qkv layer
 */
export function requireWholeLayers(layers: readonly LinearSite[], action: string): void {
  const part = layers.find(({ rows }) => rows !== undefined);
  if (part === undefined) return;
  throw new InputError(`peft cannot ${action} a part of the fused qkv layer.`, {
    where: 'options.targets',
    expected: 'attn.qkv, attn.proj, mlp.fc1, mlp.fc2 or all-linear',
    received: part.kind,
    fix: 'Merge the method into the weights instead, or train it on attn.qkv.',
  });
}

/** A linear layer of a block, as timm has it. */
export type AdapterLayer = LinearSite & { readonly kind: LayerKind; readonly block: number };

/** The linear layers of all blocks that an adapter can sit on, in the order of the forward pass. */
export function layersForAdapters({ sites }: Architecture): AdapterLayer[] {
  return sites.filter((site): site is AdapterLayer => allLinear.some((kind) => kind === site.kind));
}

/**
 * The layers that an adapter sits on, in the order of the forward pass.
 * @param ending what the name of a layer's tensor ends with, e.g. `lora_A.weight`
 * @throws FormatError where there is none, or where a layer has no tensor that the configuration names
 */
export function layersOfAdapter(
  { config, tensors, model }: Pick<PeftReadContext, 'config' | 'tensors' | 'model'>,
  ending: string,
): AdapterLayer[] {
  const all = layersForAdapters(model);
  const nameOf = (layer: string) => `${peftPrefix}${layer}.${ending}`;
  const found = all.filter(({ name }) => tensors.shapeOf(nameOf(name)) !== undefined);
  if (found.length === 0) {
    const names = tensors.left;
    throw new FormatError('The adapter changes no linear layer of the blocks.', {
      where: `${adapterFile}${names.length === 0 ? '' : `: ${names[0]}`}`,
      expected: `tensors such as ${nameOf('blocks.0.attn.qkv')}, for ${allLinear.join(', ')}`,
      received:
        names.length === 0 ? 'no tensors' : `${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''}`,
      fix: 'Use an adapter that was trained on timm’s model, with target_modules among these layers.',
    });
  }
  const missing = all.find(({ name }) => !found.some((one) => one.name === name) && isTargeted(config, name));
  if (missing === undefined) return found;
  throw new FormatError('The adapter lacks a layer that its configuration names.', {
    where: `${adapterFile}: ${nameOf(missing.name)}`,
    expected: `a tensor for each layer of ${model.name} that target_modules names`,
    received: 'nothing',
    fix: 'Read it with the model that it was trained on, with the adapter_config.json that was saved with it.',
  });
}

/**
 * The layers as kinds and blocks.
 * @returns `blocks` is undefined where it is all of them
 * @throws FormatError where the layers of one block are not those of the others
 */
export function kindsAndBlocks(
  layers: readonly AdapterLayer[],
  { depth }: Architecture,
): { readonly kinds: readonly LayerKind[]; readonly blocks: readonly number[] | undefined } {
  const kinds = allLinear.filter((kind) => layers.some((layer) => layer.kind === kind));
  const blocks = [...new Set(layers.map(({ block }) => block))];
  for (const block of blocks) {
    const own = layers.filter((layer) => layer.block === block).map(({ kind }) => kind);
    const odd = kinds.find((kind) => !own.includes(kind));
    if (odd === undefined) continue;
    throw new FormatError('The adapter sits on other layers in one block than in another.', {
      where: `${adapterConfigFile}: target_modules`,
      expected: `the same layers in each of the blocks ${blocks.join(', ')}`,
      received: `no ${odd} in block ${block}`,
      fix: mergeInPython,
    });
  }
  return { kinds, blocks: blocks.length === depth ? undefined : blocks };
}

/**
 * The layers that an adapter sits on and their kinds, for methods that change the same layers of all blocks.
 * @param ending as {@link layersOfAdapter} takes it
 * @throws FormatError as {@link layersOfAdapter} and {@link kindsAndBlocks} do, and where the adapter leaves out blocks
 */
export function layersInAllBlocks(
  context: Pick<PeftReadContext, 'config' | 'tensors' | 'model'>,
  ending: string,
): { readonly layers: readonly AdapterLayer[]; readonly kinds: readonly LayerKind[] } {
  const layers = layersOfAdapter(context, ending);
  const { kinds, blocks } = kindsAndBlocks(layers, context.model);
  if (blocks === undefined) return { layers, kinds };
  throw new FormatError('The adapter sits on some blocks only, which this method cannot.', {
    where: `${adapterConfigFile}: layers_to_transform`,
    expected: `all blocks from 0 to ${context.model.depth - 1}`,
    received: blocks.join(', '),
    fix: mergeInPython,
  });
}

/**
 * Whether `target_modules` and `layers_to_transform` name a module, as peft matches them; `undefined` where that
 * cannot be told, as for expressions that JavaScript reads otherwise than Python.
 */
function isTargeted(config: PeftConfig, module: string): boolean | undefined {
  const { target_modules: targets, exclude_modules: excluded, layers_to_transform: layers } = config;
  if (excluded !== undefined) return undefined;
  if (targets === 'all-linear') return true;
  if (typeof targets === 'string') return matches(targets, module);
  if (!Array.isArray(targets)) return undefined;
  if (targets.includes(module)) return true;
  if (!targets.some((target) => module.endsWith(`.${String(target)}`))) return false;
  const blocks: readonly unknown[] = Array.isArray(layers) ? layers : layers === undefined ? [] : [layers];
  return blocks.length === 0 || blocks.includes(Number(/^blocks\.(\d+)\./.exec(module)?.[1]));
}

/**
 * A layer's entry in `rank_pattern` or `alpha_pattern`: of the first key that its name ends with.
 * @throws FormatError for a key that cannot be matched here
 */
export function patternEntry(
  pattern: Readonly<Record<string, number>>,
  layer: string,
  field: string,
): number | undefined {
  for (const [key, value] of Object.entries(pattern)) {
    const fits = matches(`(.*\\.)?(${key})`, layer);
    if (fits) return value;
    if (fits === false) continue;
    throw new FormatError('A key of the adapter’s configuration is an expression that is not supported.', {
      where: `${adapterConfigFile}: ${field}`,
      expected: 'names of layers or what they end with, e.g. blocks.3.attn.qkv or attn.qkv',
      received: key,
      fix: 'Name the layers in full.',
    });
  }
  return undefined;
}

/** Whether an expression of Python's fits a whole name; `undefined` for one that is not safe or not readable here. */
function matches(expression: string, name: string): boolean | undefined {
  // Repetitions of repetitions may take for ever.
  if (expression.length > 500 || /[*+}]\)?[*+{]|\([^()]*[*+{][^()]*\)[*+{]/.test(expression))
    return undefined;
  try {
    return new RegExp(`^(?:${expression})$`, 'u').test(name);
  } catch {
    return undefined;
  }
}
