import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import {
  CheckpointError,
  FormatError,
  InputError,
  type KoraError,
  MissingDataError,
} from '@kora-bench/core/errors';
import { z } from 'zod';
import { exists, missingFile, weightsFile, weightsIndexFile } from './checkpoint-files.js';
import { readJson, text } from './read-json.js';

/** The files that hold a checkpoint's weights. */
export interface WeightsFiles {
  /** In the order of their names. */
  readonly paths: readonly string[];
  /** Which file holds which tensor, where there are several. */
  readonly index?: { readonly path: string; readonly files: ReadonlyMap<string, string> };
}

/** The `model.safetensors.index.json` of transformers. */
export const weightsIndexSchema = z.object({
  weight_map: z.record(z.string(), text, 'names of tensors and their files'),
});

/**
 * Finds the weights of a checkpoint's folder: `model.safetensors`, or the shards that its index names.
 * @param howToGet what to do when there are none
 * @throws MissingDataError when there are none, or a shard is missing; it says what to do with weights of another form
 * @throws FormatError when the index is not right
 */
export async function findWeights(folder: string, howToGet: string): Promise<WeightsFiles> {
  const single = join(folder, weightsFile);
  if (await exists(single)) return { paths: [single] };
  const path = join(folder, weightsIndexFile);
  if (!(await exists(path))) throw await noWeights(folder, howToGet);
  const files = new Map(Object.entries((await readJson(path, weightsIndexSchema, howToGet)).weight_map));
  const names = shardNames([...files.values()], path);
  for (const name of names) {
    if (await exists(join(folder, name))) continue;
    const tensors = [...files.values()].filter((file) => file === name).length;
    throw new MissingDataError(`A part of the weights is missing: ${name}.`, {
      where: join(folder, name),
      expected: `the ${names.length} files that ${weightsIndexFile} names`,
      received: `no such file; it holds ${tensors} ${tensors === 1 ? 'tensor' : 'tensors'}`,
      fix: `Download or copy ${name} into the folder as well.`,
    });
  }
  return { paths: names.map((name) => join(folder, name)), index: { path, files } };
}

/**
 * The names of an index's shards, each once, in order.
 * @param where the index, for messages
 * @throws FormatError when there are none, or one is more than a name
 */
export function shardNames(files: readonly string[], where: string): readonly string[] {
  const names = [...new Set(files)].sort();
  const wrong = names.find((name) => !/^[^/\\\0]+\.safetensors$/.test(name));
  if (names.length > 0 && wrong === undefined) return names;
  throw new FormatError('The index of the weights does not name their files.', {
    where: `${where}: weight_map`,
    expected: 'for every tensor the name of a .safetensors file of the same folder',
    received: wrong === undefined ? 'no tensors' : JSON.stringify(wrong),
    fix: 'Use the index as the library wrote it: download it again, or save the model again.',
  });
}

/** Training leaves these beside a model; they hold no weights. */
const besideWeights = /^(?:training_args|optimizer|scheduler|scaler|rng_state.*)\.(?:bin|pt|pth)$/;
const pickleName = /\.(?:bin|pth|pt|pth\.tar|ckpt|pkl)$/i;

/** Weights that PyTorch pickled, by the file's name. */
export const isPickle = (name: string): boolean => pickleName.test(name) && !besideWeights.test(name);

/** The error for a path that is a file where a checkpoint's folder is expected. */
export function fileInsteadOfFolder(path: string): KoraError {
  const folder = dirname(path);
  const details = {
    where: path,
    expected: `a folder with config.json and ${weightsFile}`,
    received: 'a file',
  };
  if (isPickle(basename(path))) return pickled(folder, basename(path));
  return new InputError('A model is given by its folder.', {
    ...details,
    fix: /\.(?:safetensors|json)$/.test(path)
      ? `Give the folder: ${folder}.`
      : `Give a folder with config.json and ${weightsFile}.`,
  });
}

async function noWeights(folder: string, howToGet: string): Promise<KoraError> {
  const names = (await readdir(folder).catch(() => [])).sort();
  const pickles = names.filter(isPickle);
  const [first] = pickles.toSorted((a, b) => Number(isMain(b)) - Number(isMain(a)));
  if (names.includes('pytorch_model.bin.index.json')) return pickledShards(folder);
  if (first !== undefined) return pickled(folder, first);
  const path = join(folder, weightsFile);
  const missing = missingFile(path, howToGet, Object.assign(new Error('no such file'), { code: 'ENOENT' }));
  const others = names.filter((name) => /\.(?:safetensors|h5|msgpack|onnx|npz|gguf)$/i.test(name));
  if (others.length === 0) return missing;
  if (others.every((name) => name.startsWith('adapter_model'))) return holdsAdapter(folder);
  return new MissingDataError('The folder has no weights in a form that is read.', {
    where: folder,
    expected: weightsFile,
    received: others.join(', '),
    fix: others.some((name) => name.endsWith('.safetensors'))
      ? `Give the file with all weights of the model the name ${weightsFile}.`
      : 'Load the model in PyTorch and save it with save_pretrained of transformers (save_for_hf of timm).',
  });
}

/** The error for a folder without a model's configuration, with what else it may be. */
export async function noConfig(folder: string, missing: MissingDataError): Promise<KoraError> {
  return (await exists(join(folder, 'adapter_config.json'))) ? holdsAdapter(folder) : missing;
}

function holdsAdapter(folder: string): MissingDataError {
  return new MissingDataError('The folder holds an adapter, and not the model that it belongs to.', {
    where: folder,
    expected: `config.json and ${weightsFile}`,
    received: 'the files of an adapter',
    fix: 'Give the folder of the model itself, or merge the adapter into it with merge_and_unload() of peft and save that.',
  });
}

const isMain = (name: string) => name === 'pytorch_model.bin';

const neverExecuted = 'The weights are in a pickle, which is a program: it is not executed here.';

/** The error for weights in PyTorch's own form, with the line that converts them. */
function pickled(folder: string, name: string): KoraError {
  const file = /^[\w.+ -]+$/.test(name) ? name : 'THE_FILE';
  return new CheckpointError(neverExecuted, {
    where: join(folder, name),
    expected: weightsFile,
    received: name,
    fix: `If you trust the file, convert it once. In ${folder}: ${convertPickle(file)}`,
  });
}

/** One line of a shell. Training scripts keep the weights beside their own state, under one of two names. */
const convertPickle = (file: string) =>
  `python -c "import torch, safetensors.torch as s; d = torch.load('${file}', map_location='cpu', weights_only=True); ` +
  `d = d.get('state_dict', d.get('model', d)); ` +
  `s.save_file({k: v.clone().contiguous() for k, v in d.items() if torch.is_tensor(v)}, '${weightsFile}')"`;

function pickledShards(folder: string): KoraError {
  return new CheckpointError(neverExecuted, {
    where: folder,
    expected: weightsFile,
    received: 'pytorch_model.bin.index.json and its parts',
    fix:
      `If you trust the files, convert them once. In ${folder}: python -c "import json, torch, safetensors.torch as s; ` +
      `f = sorted(set(json.load(open('pytorch_model.bin.index.json'))['weight_map'].values())); ` +
      `s.save_file({k: v.clone().contiguous() for p in f for k, v in torch.load(p, map_location='cpu', weights_only=True).items()}, '${weightsFile}')"`,
  });
}
