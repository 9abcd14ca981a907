import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PeerTraining } from '@kora-bench/core/backend';
import { InputError } from '@kora-bench/core/errors';
import type { HostTensor, Weights } from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';
import type { Architecture, SiteSpec, VitConfig } from '@kora-bench/core/nn';
import { vitArchitecture } from '@kora-bench/core/nn';
import type { PeftAdapter, UpdateFactors } from '@kora-bench/core/peft';
import { writePeftAdapter } from '@kora-bench/core/peft';
import { writeSafetensors } from '@kora-bench/core/safetensors';
import type { PytorchProcess } from './python-process.js';

/** A training in the form that PyTorch reads. */
export interface TrainingFiles {
  readonly model: VitConfig;
  /** AdamW's. */
  readonly optimizer: Readonly<Record<string, number>>;
  /** The backbone's and the head's values, `images` and `labels`. */
  readonly tensors: ReadonlyMap<string, HostTensor>;
  /** What trains, with the number of its elements and the factors that it has. */
  readonly trained: Readonly<Record<string, { readonly size: number } & UpdateFactors>>;
  /** The method's own parameters as peft saves them; absent where the model's own weights train. */
  readonly adapter?: PeftAdapter;
  /** Whether the adapter sits on query, key or value alone, which timm has as one layer. */
  readonly separateAttention: boolean;
}

/**
 * Converts a training to the form that PyTorch reads.
 * @throws InputError for a method, or options of it, that neither peft nor plain PyTorch has, for a model with two
 *   classifiers, and for another optimiser than AdamW
 */
export function trainingFiles(training: PeerTraining): TrainingFiles {
  requireModel(training);
  const fused = vitArchitecture(training.model);
  const isOfModel = (name: string) => fused.weights.has(name) || name.startsWith('head.');
  // The published LoRA counts an adapter on the classifier that its forward pass does not read.
  const trains = [...training.parameters].filter(([name]) => !name.startsWith('unused_classifier.'));
  const own = trains.map(([name]) => name).filter((name) => !isOfModel(name));
  const parts = fused.sites.filter(({ rows }) => rows !== undefined);
  const separateAttention = own.some((name) => parts.some((site) => name.startsWith(`${site.name}.`)));
  const apart = (values: Iterable<readonly [string, HostTensor]>): [string, HostTensor][] =>
    [...values].flatMap((entry) => (separateAttention ? rowsApart(parts, entry) : [[...entry]]));
  const model = separateAttention ? withSeparateAttention(fused) : fused;
  const [weights, parameters] = [apart(training.weights), apart(trains)];
  const updateOf = (name: string) => training.updates.get(name) ?? training.updates.get(fusedName(name));
  return {
    model: training.model,
    optimizer: { ...requireAdamW(training.optimizer), learningRate: training.learningRate },
    tensors: new Map([
      ...[...weights, ...parameters].filter(([name]) => isOfModel(fusedName(name))),
      ['images', training.images],
      ['labels', training.labels],
    ]),
    trained: Object.fromEntries(
      parameters.map(([name, { shape }]) => [name, { size: sizeOf(shape), ...updateOf(name) }]),
    ),
    ...(own.length > 0 && {
      adapter: adapterOf(training.method, model, new Map([...weights, ...parameters])),
    }),
    separateAttention,
  };
}

function adapterOf(method: PeerTraining['method'], model: Architecture, values: Weights): PeftAdapter {
  const { name, peft } = method.definition;
  if (peft === undefined) {
    throw new InputError(`timm and peft have no ${name} to be measured beside.`, {
      where: 'method',
      expected: 'a method with a peft form, or one that trains only the model’s own weights',
      received: name,
      fix: 'Choose such a method with --method, e.g. lora or full, or leave --peers pytorch out.',
    });
  }
  const adapter = writePeftAdapter({ model, method, values, base: 'start' });
  const dropout = Object.entries(adapter.config).find(([key, share]) => /dropout$/.test(key) && share !== 0);
  if (dropout === undefined) return adapter;
  throw new InputError('Dropout in PyTorch would drop different inputs.', {
    where: `method ${name}`,
    expected: 'options without dropout',
    received: dropout.join(': '),
    fix: 'Choose a preset or a suite without dropout, or leave --peers pytorch out.',
  });
}

/** A weight or bias of a fused layer as those of its parts; any other as it is. */
function rowsApart(
  parts: readonly SiteSpec[],
  [name, tensor]: readonly [string, HostTensor],
): [string, HostTensor][] {
  const own = parts.filter(({ weight, bias }) => name === weight || name === bias);
  if (own.length === 0) return [[name, tensor]];
  const [, ...rest] = tensor.shape;
  const row = sizeOf(rest);
  return own.map((site) => {
    const [start, end] = site.rows!;
    const data = tensor.data.slice(start * row, end * row);
    return [
      `${site.name}.${name === site.bias ? 'bias' : 'weight'}`,
      { ...tensor, shape: [end - start, ...rest], data } as HostTensor,
    ];
  });
}

/** The name that timm has for a weight or bias of query, key or value; other names as they are. */
const fusedName = (name: string) => name.replace(/\.attn\.[qkv]\.(weight|bias)$/, '.attn.qkv.$1');

/** The model with query, key and value as layers of their own. */
function withSeparateAttention(model: Architecture): Architecture {
  const weights = new Map(model.weights);
  const sites = model.sites.flatMap(({ rows, ...site }): SiteSpec[] => {
    if (site.kind === 'attn.qkv') return [];
    if (rows === undefined) return [site];
    for (const fused of [site.weight!, site.bias]) if (fused !== undefined) weights.delete(fused);
    const [weight, bias] = [`${site.name}.weight`, `${site.name}.bias`];
    weights.set(weight, [site.outFeatures, site.inFeatures]);
    if (site.bias !== undefined) weights.set(bias, [site.outFeatures]);
    return [{ ...site, weight, ...(site.bias !== undefined && { bias }) }];
  });
  return { ...model, weights, sites };
}

function requireModel({ model }: PeerTraining): void {
  if (model.distilledToken !== true) return;
  throw new InputError(`The PyTorch peer has no ${model.name} to compare with.`, {
    where: '--peers pytorch',
    expected: 'a model with one classifier; timm’s distilled models have two',
    received: model.name,
    fix: 'Choose another model, or leave --peers pytorch out.',
  });
}

function requireAdamW({ kind, ...settings }: PeerTraining['optimizer']) {
  if (kind === 'adamw') return settings;
  throw new InputError('The PyTorch peer trains with AdamW alone.', {
    where: 'optimizer',
    expected: 'adamw',
    received: kind,
    fix: 'Choose AdamW.',
  });
}

/**
 * Hands a training over to a Python process, through files that are removed again.
 * @returns how many numbers train there
 */
export async function loadTraining(process: PytorchProcess, files: TrainingFiles): Promise<number> {
  const { tensors, adapter, separateAttention, ...rest } = files;
  const folder = await mkdtemp(join(tmpdir(), 'kora-bench-'));
  try {
    await writeFile(join(folder, 'training.safetensors'), writeSafetensors(tensors));
    if (adapter !== undefined) {
      await writeFile(join(folder, 'adapter_config.json'), JSON.stringify(adapter.config));
      await writeFile(join(folder, 'adapter_model.safetensors'), adapter.safetensors);
    }
    const loaded = await process.call<{ readonly trained: number }>('load', {
      ...rest,
      folder,
      adapter: adapter ? { separateAttention } : null,
    });
    return loaded.trained;
  } finally {
    await rm(folder, { recursive: true });
  }
}
