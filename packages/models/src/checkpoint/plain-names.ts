import { CheckpointError } from '@kora-bench/core/errors';
import type { Shape } from '@kora-bench/core/graph';
import type { TensorLayout } from './tensor-layout.js';

/** Modules that wrap others and leave their names in the middle of those of tensors. */
const wrappers = new Set(['_orig_mod', '_fsdp_wrapped_module', '_checkpoint_wrapped_module']);

/** How the first convolution ends, which every model has once. */
const anchors = {
  timm: /(?:^|\.)patch_embed\.proj\.weight$/,
  transformers: /(?:^|\.)embeddings\.(?:patch_embeddings\.projection|patch_embedding)\.weight$/,
} as const;

export type Library = keyof typeof anchors;

/** What the libraries themselves put before the names of a model inside a larger one. */
const own = /^(?:timm_model|vit|deit|dinov2|dinov2_with_registers|vision_model)$/;

/** The tensors of a file without the prefixes that training leaves. */
export interface PlainNames {
  readonly shapes: ReadonlyMap<string, Shape>;
  /** The same layout by the names that the file has. */
  stored(layout: TensorLayout): TensorLayout;
  /** Says which prefix was left out, where the library itself does not write it. */
  readonly notes: readonly string[];
}

/**
 * Finds the one prefix that a file's names have (`module.`, `backbone.`, `_orig_mod.vit.` …): what stands before the
 * first convolution. Every tensor loses as much of it as it has; a head outside the backbone has only its beginning.
 * @param where the weights' file, for messages
 * @throws CheckpointError naming the prefixes where names do not agree on one
 */
export function plainNames(stored: ReadonlyMap<string, Shape>, library: Library, where: string): PlainNames {
  const unwrapped = new Map([...stored.keys()].map((name) => [name, withoutWrappers(name)]));
  const prefix = commonPrefix([...unwrapped.values()], library, where);
  const shapes = new Map<string, Shape>();
  const storedNames = new Map<string, string>();
  const depths = new Map<string, { readonly depth: number; readonly name: string }>();
  for (const [name, parts] of unwrapped) {
    const depth = sharedLength(parts, prefix);
    const plain = parts.slice(depth).join('.');
    const module = parts[depth] ?? '';
    const other = depths.get(module);
    const twin = storedNames.get(plain);
    if (twin !== undefined || (other !== undefined && other.depth !== depth))
      throw disagreement([twin ?? other!.name, name], prefix, where);
    depths.set(module, { depth, name });
    shapes.set(plain, stored.get(name)!);
    storedNames.set(plain, name);
  }
  return {
    shapes,
    stored: (layout) =>
      new Map(
        [...layout].map(([name, tensor]) => [
          name,
          {
            ...tensor,
            pieces: tensor.pieces.map((piece) => ({ ...piece, stored: storedNames.get(piece.stored)! })),
          },
        ]),
      ),
    notes: prefixNotes([...unwrapped], prefix),
  };
}

const withoutWrappers = (name: string) => name.split('.').filter((part) => !wrappers.has(part));

function sharedLength(parts: readonly string[], prefix: readonly string[]): number {
  let length = 0;
  while (length < prefix.length && length < parts.length - 1 && parts[length] === prefix[length]) length++;
  return length;
}

function commonPrefix(
  names: readonly (readonly string[])[],
  library: Library,
  where: string,
): readonly string[] {
  const before = (anchor: RegExp) =>
    names
      .map((parts) => parts.join('.'))
      .filter((name) => anchor.test(name))
      .map((name) => name.replace(anchor, ''));
  const [prefix, second] = before(anchors[library]);
  if (prefix !== undefined && second !== undefined) {
    throw new CheckpointError('The weights hold more than one model.', {
      where,
      expected: 'the tensors of one model',
      received: `models under ${[prefix, second].map((each) => JSON.stringify(dotted(each))).join(' and ')}`,
      fix: 'Save the tensors of the one that you want, with its own config.json.',
    });
  }
  if (prefix !== undefined) return prefix === '' ? [] : prefix.split('.');
  const [other] = (['timm', 'transformers'] as const).filter((each) => before(anchors[each]).length > 0);
  if (other === undefined) return [];
  throw new CheckpointError('The configuration and the names of the tensors are of different libraries.', {
    where,
    expected: `names of ${library}, whose form config.json has`,
    received: `names of ${other}`,
    fix: `Put the config.json that ${other} writes for this model beside the weights.`,
  });
}

const dotted = (prefix: string) => (prefix === '' ? '' : `${prefix}.`);

function disagreement(
  [one, other]: readonly [string, string],
  prefix: readonly string[],
  where: string,
): CheckpointError {
  return new CheckpointError(`Not all tensors have the prefix "${prefix.join('.')}." of the model.`, {
    where,
    expected: 'names that agree on one prefix for every module',
    received: `${one} beside ${other}`,
    fix: 'Save the state_dict of the model alone, without copies or wrappers of its parts.',
  });
}

function prefixNotes(
  unwrapped: readonly (readonly [name: string, parts: readonly string[]])[],
  prefix: readonly string[],
): string[] {
  const found = new Set(unwrapped.flatMap(([name]) => name.split('.').filter((part) => wrappers.has(part))));
  const left = prefix.length > 1 || !own.test(prefix[0] ?? 'vit') ? [dotted(prefix.join('.'))] : [];
  const words = [...left, ...[...found].map((part) => `${part}.`)].map((each) => `"${each}"`);
  return words.length === 0 ? [] : [`the weights’ names were read without ${words.join(' and ')}`];
}
