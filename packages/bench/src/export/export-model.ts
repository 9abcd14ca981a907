import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '@kora-bench/core/errors';
import type { HostTensor } from '@kora-bench/core/graph';
import type { Architecture, VitArchitecture } from '@kora-bench/core/nn';
import { adapterConfigFile, adapterFile, writePeftAdapter } from '@kora-bench/core/peft';
import { mergeMethod } from '@kora-bench/core/training';
import type { CheckpointFiles, CheckpointToWrite } from '@kora-bench/models';
import { timmCheckpointFiles, transformersCheckpointFiles } from '@kora-bench/models';
import { makeFolder, temporaryPath, writeFileAtomic } from '@kora-bench/platform-node/atomic-file';
import { unwritable } from '../records/run-files.js';
import type { TrainedModel } from './open-trained-cell.js';

/** The libraries that a trained model is written for. */
export const exportTargets = ['peft', 'timm', 'transformers'] as const;
export type ExportTarget = (typeof exportTargets)[number];

/** What was written. */
export interface Exported {
  readonly folder: string;
  readonly files: readonly string[];
  /** What a user must know of it, in sentences. */
  readonly notes: readonly string[];
}

/**
 * Writes a trained model for a library: peft's adapter, or a checkpoint with the method merged into it. All files
 * appear together or none does.
 * @throws InputError for a method that has no such form, or a folder that is not empty or cannot be written
 */
export async function exportModel(
  trained: TrainedModel,
  target: ExportTarget,
  folder: string,
): Promise<Exported> {
  await requireEmpty(folder);
  const { files, notes } = filesFor(trained, target);
  const unfinished = temporaryPath(folder);
  try {
    makeFolder(unfinished);
    for (const [name, content] of files) await writeFileAtomic(join(unfinished, name), content);
    await rename(unfinished, folder);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true }).catch(() => undefined);
    throw unwritable(folder, error);
  }
  return { folder, files: [...files.keys()], notes };
}

/** @throws InputError where the folder holds something, or is none */
export async function requireEmpty(folder: string): Promise<void> {
  const entries = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw unwritable(folder, error);
  });
  if (entries.length === 0) return;
  throw new InputError('The output folder is not empty.', {
    where: folder,
    expected: 'a folder that is new or empty',
    received: entries.slice(0, 5).join(', '),
    fix: 'Choose another folder with --out.',
  });
}

function filesFor(
  trained: TrainedModel,
  target: ExportTarget,
): { readonly files: CheckpointFiles; readonly notes: readonly string[] } {
  const { head, notes } = plainHead(trained);
  if (target === 'peft') {
    const { method, model, pretrained, baseModel } = trained;
    if (method.definition.peft === undefined) throw noSuchForm(trained, target);
    const values = new Map([...trained.values].filter(([name]) => head !== undefined || !isOfHead(name)));
    const { config, safetensors } = writePeftAdapter({ model, method, values, pretrained, baseModel });
    const files = new Map<string, string | Uint8Array>([
      [adapterConfigFile, `${JSON.stringify(config, null, 2)}\n`],
      [adapterFile, safetensors],
    ]);
    return { files, notes };
  }
  const { preprocessing, classNames } = trained;
  const checkpoint: CheckpointToWrite = {
    config: vitConfigOf(trained.model),
    preprocessing,
    weights: mergedBackbone(trained, target),
    ...(head && { head, ...(classNames && { classNames }) }),
  };
  const files = target === 'timm' ? timmCheckpointFiles(checkpoint) : transformersCheckpointFiles(checkpoint);
  return { files, notes };
}

const isOfHead = (name: string) => name.startsWith('head.');

/** The head where it is the linear layer on the pooled features that all these libraries have. */
function plainHead({ values, model, task, cell, phase }: TrainedModel) {
  const names = [...values.keys()].filter(isOfHead);
  const [weight, bias] = [values.get('head.weight'), values.get('head.bias')];
  const others = names.filter((name) => name !== 'head.weight' && name !== 'head.bias');
  if (weight !== undefined && others.length === 0 && weight.shape[1] === model.featureWidth)
    return { head: { weight, ...(bias && { bias }) }, notes: [] };
  return {
    head: undefined,
    notes: [
      `The head of the task ${task} is no linear layer on the features and stays behind: it is in the run folder, in weights/${cell.id}.${phase}.safetensors.`,
    ],
  };
}

/** The backbone with the method folded in. @throws InputError where it cannot be */
function mergedBackbone(trained: TrainedModel, target: ExportTarget): ReadonlyMap<string, HostTensor> {
  const { method, model, values } = trained;
  const { attach, merge } = method.definition;
  const merged = attach === undefined && merge === undefined ? new Map() : mergeMethod(model, method, values);
  if (merged === undefined) throw noSuchForm(trained, target);
  return new Map([...model.weights.keys()].map((name) => [name, merged.get(name) ?? values.get(name)!]));
}

function noSuchForm({ method, model, values }: TrainedModel, target: ExportTarget): InputError {
  const { name, peft, attach, merge } = method.definition;
  const merges =
    (attach === undefined && merge === undefined) || mergeMethod(model, method, values) !== undefined;
  const targets = [...(peft ? ['peft'] : []), ...(merges ? ['timm', 'transformers'] : [])];
  return new InputError(
    target === 'peft'
      ? `peft has no method like ${name}.`
      : `The method ${name} cannot be merged into the weights.`,
    {
      where: '--to',
      expected:
        targets.length === 0
          ? `no target: ${name} can neither be merged nor written for peft`
          : targets.join(' or '),
      received: target,
      fix:
        targets.length === 0
          ? 'Its trained weights are in the run folder, in weights/, under this suite’s names.'
          : `Use --to ${targets[0]}.`,
    },
  );
}

function vitConfigOf(model: Architecture): VitArchitecture['config'] {
  if (model.family === 'vit' && 'config' in model) return (model as VitArchitecture).config;
  throw new InputError(`${model.name} is no Vision Transformer of timm’s or transformers’.`, {
    where: '--to',
    expected: 'a model of the family vit',
    received: model.family,
    fix: 'Use --to peft, where peft has the method, or the files in weights/ of the run folder.',
  });
}
