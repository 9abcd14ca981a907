import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  jsonMutations,
  type Mutation,
  mutations,
  type Outcome,
  onlyAcceptableOutcome,
} from '@kora-bench/broken-inputs';
import { type CheckpointSummary, inspectCheckpointFolder, loadCheckpointFolder } from '@kora-bench/models';
import { describe, expect, test } from 'vitest';
import { changedFixture } from './checkpoint-folder.js';

/** In the suite as many as take seconds; `pnpm mutations` tries 10,000 of each. */
const count = Number(process.env.MUTATIONS ?? 200);
const seed = Number(process.env.MUTATIONS_SEED ?? 1);
const timeout = 60_000 + count * 100;

type Json = Record<string, unknown>;

const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

/** Objects with their `null` fields left out, which mean "not set". */
function set(value: unknown): Json {
  const object = typeof value === 'object' && value !== null ? value : {};
  return Object.fromEntries(Object.entries(object).filter(([, field]) => field !== null));
}

/** Runs a reader over a file with every mutation, and says how many it took and how many it refused. */
async function tryAll<T>(
  series: Iterable<Mutation<Uint8Array>>,
  path: string,
  { read, right }: { readonly read: () => Promise<T>; readonly right: (value: T, bytes: Uint8Array) => void },
): Promise<{ taken: number; refused: number }> {
  const found = { taken: 0, refused: 0 };
  for (const { index, what, value } of series) {
    await writeFile(path, value);
    const outcome: Outcome<T> = await onlyAcceptableOutcome(read, {
      what: `mutation ${index} of ${path}: ${what}`,
      bytes: value.length,
      seconds: 60,
      right: (result) => {
        try {
          right(result, value);
        } catch (cause) {
          throw new Error(`mutation ${index} (${what}) gives a wrong value: ${cause}`, { cause });
        }
      },
    });
    if ('value' in outcome) found.taken++;
    else found.refused++;
  }
  return found;
}

function* asFiles(series: Iterable<Mutation<unknown>>): Generator<Mutation<Uint8Array>> {
  for (const each of series) yield { ...each, value: encode(each.value) };
}

/** A single number is for all channels. */
function perChannel(value: unknown): unknown[] {
  const numbers = [value].flat();
  return numbers.length === 1 ? [numbers[0], numbers[0], numbers[0]] : numbers;
}

/** What a configuration says of what the tensors do not show, read field by field. */
function checkTimm({ config, preprocessing }: CheckpointSummary, bytes: Uint8Array): void {
  const root = set(JSON.parse(new TextDecoder().decode(bytes)));
  const args = set(root.model_args);
  const nested = set('pretrained_cfg' in root ? root.pretrained_cfg : root);
  const size = args.img_size ?? (nested.input_size as number[] | undefined)?.slice(1) ?? 224;
  expect(config.imageSize).toEqual(typeof size === 'number' ? [size, size] : size);
  expect(preprocessing).toEqual({
    imageSize: config.imageSize,
    interpolation: nested.interpolation ?? 'bicubic',
    cropPct: nested.crop_pct ?? 0.875,
    ...(nested.crop_mode === 'squash' && { cropMode: 'squash' }),
    mean: perChannel(nested.mean ?? [0.485, 0.456, 0.406]),
    std: perChannel(nested.std ?? [0.229, 0.224, 0.225]),
  });
  const heads = { deit_tiny_patch16_224: 3, deit_small_patch16_224: 6 }[String(root.architecture)];
  expect(config.heads).toBe(args.num_heads ?? heads ?? config.heads);
  expect(config.name).toBe(root.architecture);
  expect(config.pool).toBe(args.global_pool ?? root.global_pool ?? 'token');
}

const families: Json = {
  vit: 'gelu',
  deit: 'gelu',
  vit_mae: 'gelu',
  dinov2: 'gelu',
  clip_vision_model: 'quick_gelu',
};
const activations: Json = {
  gelu_pytorch_tanh: 'gelu_tanh',
  gelu_new: 'gelu_tanh',
  gelu_fast: 'gelu_tanh',
  swish: 'silu',
};

function checkTransformers({ config }: CheckpointSummary, bytes: Uint8Array): void {
  const { hidden_act: act, ...root } = set(JSON.parse(new TextDecoder().decode(bytes)));
  const vision = 'vision_config' in root ? set(root.vision_config) : root;
  expect(config.heads).toBe(vision.num_attention_heads ?? 12);
  const size = vision.image_size ?? 224;
  expect(config.imageSize).toEqual(typeof size === 'number' ? [size, size] : size);
  if (vision.layer_norm_eps !== undefined) expect(config.layerNormEps).toBe(vision.layer_norm_eps);
  const name = vision === root ? act : vision.hidden_act;
  const activation = name ?? families[String(root.model_type)];
  expect(config.activation).toBe(activations[String(activation)] ?? activation);
}

function checkProcessor({ preprocessing }: CheckpointSummary, bytes: Uint8Array): void {
  const file = set(JSON.parse(new TextDecoder().decode(bytes)));
  const rescale = (file.do_rescale ?? true) ? Number(file.rescale_factor ?? 1 / 255) * 255 : 255;
  const normalises = file.do_normalize ?? true;
  const mean = normalises ? perChannel(file.image_mean ?? 0.5) : [0, 0, 0];
  const std = normalises ? perChannel(file.image_std ?? 0.5) : [1, 1, 1];
  for (let i = 0; i < 3; i++) {
    expect(preprocessing.mean[i]! * rescale).toBeCloseTo(Number(mean[i]), 5);
    expect(preprocessing.std[i]! * rescale).toBeCloseTo(Number(std[i]), 5);
  }
  const filters = ['nearest', 'lanczos', 'bilinear', 'bicubic', 'box', 'hamming'];
  if (file.resample !== undefined) expect(preprocessing.interpolation).toBe(filters[file.resample as number]);
  const resizes = file.do_resize ?? true;
  const crops = file.do_center_crop ?? false;
  if (!resizes) expect(preprocessing.cropMode).toBe(crops ? 'crop' : 'exact');
  else if (!crops) {
    expect(preprocessing).toMatchObject({ cropPct: 1, cropMode: 'squash' });
    const size = file.size as number | number[] | { height: number; width: number };
    const sides =
      typeof size === 'number' ? [size, size] : Array.isArray(size) ? size : [size.height, size.width];
    expect(preprocessing.imageSize).toEqual(sides);
  }
}

describe('a mutated configuration is read for what it says, or refused with a fix', () => {
  const inspect = (folder: string) => () => inspectCheckpointFolder(folder);
  const cases: readonly (readonly [
    title: string,
    file: string,
    check: (summary: CheckpointSummary, bytes: Uint8Array) => void,
  ])[] = [
    ['timm/deit', 'config.json', checkTimm],
    ['transformers/vit', 'config.json', checkTransformers],
    ['transformers/clip-vision', 'config.json', checkTransformers],
    ['transformers/vit', 'preprocessor_config.json', checkProcessor],
  ];

  test.each(cases)('%s, %s', { timeout }, async (title, file, right) => {
    const folder = await changedFixture(title);
    const path = join(folder, file);
    const original = await readFile(path);
    const read = inspect(folder);
    const values = asFiles(jsonMutations(seed, JSON.parse(original.toString()), count));
    const { taken, refused } = await tryAll(values, path, { read, right });
    expect(Math.min(taken, refused)).toBeGreaterThan(count / 20);
    await tryAll(mutations(seed, original, count), path, { read, right });
  });

  test('timm’s flat form of older releases', { timeout }, async () => {
    const folder = await changedFixture('timm/deit');
    const path = join(folder, 'config.json');
    const { pretrained_cfg: pretrained, ...rest } = JSON.parse(await readFile(path, 'utf8')) as Json;
    const flat = { ...rest, ...(pretrained as object) };
    await tryAll(asFiles(jsonMutations(seed, flat, count)), path, {
      read: inspect(folder),
      right: checkTimm,
    });
  });

  test('the index of shards', { timeout }, async () => {
    const folder = await changedFixture('timm/deit');
    const path = join(folder, 'model.safetensors.index.json');
    const weights = await readFile(join(folder, 'model.safetensors'));
    const header = JSON.parse(weights.subarray(8, 8 + Number(weights.readBigUInt64LE())).toString()) as Json;
    const names = Object.keys(header).filter((name) => name !== '__metadata__');
    await rename(join(folder, 'model.safetensors'), join(folder, 'part.safetensors'));
    const index = {
      metadata: { total_size: 1 },
      weight_map: Object.fromEntries(names.map((name) => [name, 'part.safetensors'])),
    };
    const right = ({ config }: CheckpointSummary) => expect(config.width).toBe(16);
    await tryAll(asFiles(jsonMutations(seed, index, count)), path, { read: inspect(folder), right });
    await tryAll(mutations(seed, encode(index), count), path, { read: inspect(folder), right });
  });
});

/** The numbers of a file of F32, read without the package's reader. */
function numbersOf(bytes: Uint8Array): ReadonlyMap<string, Float32Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = 8 + Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, start))) as Record<
    string,
    { dtype: string; data_offsets: [number, number] }
  >;
  const tensors = Object.entries(header).filter(
    ([name, { dtype }]) => name !== '__metadata__' && dtype === 'F32',
  );
  return new Map(
    tensors.map(
      ([
        name,
        {
          data_offsets: [from, to],
        },
      ]) => [
        name,
        Float32Array.from({ length: (to - from) / 4 }, (_, i) => view.getFloat32(start + from + 4 * i, true)),
      ],
    ),
  );
}

test('mutated weights are read as they are, or refused with a fix', { timeout }, async () => {
  const folder = await changedFixture('timm/deit-distilled');
  const path = join(folder, 'model.safetensors');
  const series = mutations(seed, await readFile(path), count);
  const read = () => loadCheckpointFolder(folder);
  await tryAll(series, path, {
    read,
    right: ({ tensors }, bytes) => {
      const stored = numbersOf(bytes);
      for (const [name, { data }] of tensors) {
        if (stored.has(name)) expect(data, name).toEqual(stored.get(name));
        expect(data.every(Number.isFinite), name).toBe(true);
      }
    },
  });
});
