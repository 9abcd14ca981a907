import { CheckpointError } from '@kora-bench/core/errors';
import type { Shape } from '@kora-bench/core/graph';
import { formatShape, sameShape } from '@kora-bench/core/graph';
import type { VitConfig } from '@kora-bench/core/nn';
import { vitArchitecture } from '@kora-bench/core/nn';

/** Where a tensor of the model lies in the file: one tensor, or several to be stacked along axis 0. */
export interface StoredTensor {
  readonly shape: Shape;
  readonly parts: readonly string[];
}

/** The tensors of a file by timm's names. */
export type TensorLayout = ReadonlyMap<string, StoredTensor>;

/** timm's names are the model's own: everything is taken as it is. */
export function timmLayout(shapes: ReadonlyMap<string, Shape>): TensorLayout {
  return new Map([...shapes].map(([name, shape]) => [name, { shape, parts: [name] }]));
}

/** Modules outside the blocks: transformers' name → timm's. */
const modules: Readonly<Record<string, string>> = {
  'embeddings.cls_token': 'cls_token',
  'embeddings.position_embeddings': 'pos_embed',
  'embeddings.patch_embeddings.projection': 'patch_embed.proj',
  layernorm: 'norm',
  classifier: 'head',
};

/** Modules of a block. */
const blockModules: Readonly<Record<string, string>> = {
  layernorm_before: 'norm1',
  layernorm_after: 'norm2',
  'attention.output.dense': 'attn.proj',
  'intermediate.dense': 'mlp.fc1',
  'output.dense': 'mlp.fc2',
};

/** The order in which timm stacks the three projections into `attn.qkv`. */
const projections = ['query', 'key', 'value'] as const;

const projectionName = /^encoder\.layer\.(\d+)\.attention\.attention\.(query|key|value)\.(weight|bias)$/;
const blockName = /^encoder\.layer\.(\d+)\.(.+)$/;

/** Whether a file uses the names of transformers' ViT: `vit.encoder.layer.0…` or `encoder.layer.0…`. */
export function hasTransformersNames(names: Iterable<string>): boolean {
  return [...names].some((name) => withoutPrefix(name).startsWith('embeddings.'));
}

/**
 * The tensors of a file of transformers' ViTForImageClassification or ViTModel by timm's names, with
 * query, key and value stacked into `attn.qkv`. Names that the architecture does not know, and
 * projections that cannot be stacked, are kept as they are, so that the check against the geometry
 * reports them.
 */
export function transformersLayout(shapes: ReadonlyMap<string, Shape>): TensorLayout {
  const tensors = new Map<string, StoredTensor>();
  for (const [stored, shape] of shapes) {
    const name = withoutPrefix(stored);
    const projection = projectionName.exec(name);
    // The pooler of ViTModel comes after the features, and no output of this suite depends on it.
    if (name.startsWith('pooler.')) continue;
    if (projection === null) {
      tensors.set(timmName(name), { shape, parts: [stored] });
    } else {
      const [, block, which, kind] = projection;
      const parts = projections.map((each) => stored.replace(`.${which}.${kind}`, `.${each}.${kind}`));
      const stackable = parts.every((part) => sameTail(shapes.get(part), shape));
      const rows = parts.reduce((sum, part) => sum + (shapes.get(part)?.[0] ?? 0), 0);
      if (stackable)
        tensors.set(`blocks.${block}.attn.qkv.${kind}`, { shape: [rows, ...shape.slice(1)], parts });
      else tensors.set(stored, { shape, parts: [stored] });
    }
  }
  return tensors;
}

/** Whether two shapes can be stacked along axis 0. */
function sameTail(a: Shape | undefined, b: Shape): boolean {
  return a !== undefined && a.length === b.length && a.slice(1).every((extent, i) => extent === b[i + 1]);
}

function withoutPrefix(name: string): string {
  return name.startsWith('vit.') ? name.slice('vit.'.length) : name;
}

function timmName(name: string): string {
  const kind = /\.(?:weight|bias)$/.exec(name)?.[0] ?? '';
  const module = name.slice(0, name.length - kind.length);
  const block = blockName.exec(module);
  if (block === null) return `${modules[module] ?? module}${kind}`;
  return `blocks.${block[1]}.${blockModules[block[2]!] ?? block[2]}${kind}`;
}

/** How many tensors a message names before it counts the rest. */
const named = 5;

/**
 * Whether a file holds exactly the tensors of a model, by name and shape.
 * @param where the weights' file, for messages
 * @throws CheckpointError naming the tensors that are missing, misshapen or unknown to the architecture
 */
export function checkLayout(tensors: TensorLayout, config: VitConfig, where: string): void {
  const { weights, classifier } = vitArchitecture(config);
  const wanted = new Map([...weights, ...classifier]);
  const missing = [...wanted].filter(([name]) => !tensors.has(name));
  if (missing.length > 0) {
    throw new CheckpointError(`The checkpoint lacks ${count(missing.length)} of ${config.name}.`, {
      where,
      expected: list(missing.map(([name, shape]) => `${name} ${formatShape(shape)}`)),
      received: `${tensors.size} other tensors`,
      fix: `Use the complete weights of ${config.name}, with timm’s or transformers’ tensor names.`,
    });
  }
  const misshapen = [...wanted].filter(([name, shape]) => !sameShape(tensors.get(name)!.shape, shape));
  if (misshapen.length > 0) {
    throw new CheckpointError(`${count(misshapen.length)} of the checkpoint do not fit ${config.name}.`, {
      where,
      expected: list(misshapen.map(([name, shape]) => `${name} ${formatShape(shape)}`)),
      received: list(misshapen.map(([name]) => `${name} ${formatShape(tensors.get(name)!.shape)}`)),
      fix: 'Use this model’s own weights, or name the model that the weights belong to.',
    });
  }
  const surplus = [...tensors.keys()].filter((name) => !wanted.has(name));
  if (surplus.length > 0) {
    throw new CheckpointError(
      `The checkpoint has ${count(surplus.length)} that ${config.name} does not have.`,
      {
        where,
        expected: `the ${wanted.size} tensors of a plain Vision Transformer`,
        received: list(surplus.map((name) => `${name} ${formatShape(tensors.get(name)!.shape)}`)),
        fix: 'Use a plain ViT: without layer scale, register or distillation tokens, query and key norms or pooling heads.',
      },
    );
  }
}

const count = (n: number) => `${n} ${n === 1 ? 'tensor' : 'tensors'}`;

function list(items: readonly string[]): string {
  const rest = items.length - named;
  return items.slice(0, named).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}
