import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { HostTensor } from '@kora-bench/core/graph';
import { hostTensor, sizeOf } from '@kora-bench/core/graph';
import { readSafetensors, writeSafetensors } from '@kora-bench/core/safetensors';
import { inspectCheckpointFolder, loadCheckpointFolder, resolveModel } from '@kora-bench/models';
import { describe, expect, test } from 'vitest';
import { changedFixture, readFixture } from './checkpoint-folder.js';

type Tensors = Map<string, HostTensor>;

async function tensorsOf(folder: string): Promise<Tensors> {
  return new Map(readSafetensors(await readFile(join(folder, 'model.safetensors'))).tensors);
}

/** A copy of a fixture whose tensors have other names, or are others. */
async function withTensors(title: string, change: (tensors: Tensors) => Tensors): Promise<string> {
  const folder = await changedFixture(title);
  const changed = writeSafetensors(change(await tensorsOf(folder)));
  await writeFile(join(folder, 'model.safetensors'), changed);
  return folder;
}

const renamed = (title: string, rename: (name: string) => string) =>
  withTensors(title, (tensors) => new Map([...tensors].map(([name, tensor]) => [rename(name), tensor])));

/** That two folders give the same model; of their notes, what the second has and the first has not. */
async function expectSameModel(title: string, folder: string): Promise<readonly string[]> {
  const [wanted, found] = [
    await loadCheckpointFolder(await changedFixture(title)),
    await loadCheckpointFolder(folder),
  ];
  expect(found.model.classifier).toEqual(wanted.model.classifier);
  expect([...found.tensors.keys()].sort()).toEqual([...wanted.tensors.keys()].sort());
  for (const [name, { data }] of wanted.tensors) expect(found.tensors.get(name)!.data, name).toEqual(data);
  return found.notes.filter((note) => !wanted.notes.includes(note));
}

describe('prefixes that training leaves are left out, and the notes say which', () => {
  test.each([
    ['timm/deit', 'module.'],
    ['timm/deit', 'model.'],
    ['timm/deit', 'encoder.'],
    ['timm/siglip', 'backbone.'],
    ['timm/dinov2', '_orig_mod.module.'],
    ['transformers/vit', 'module.'],
    ['transformers/siglip', 'model.module.'],
    ['transformers/clip-vision', 'encoder.'],
    ['transformers/timm-wrapper', '_orig_mod.'],
  ])('%s under %s', async (title, prefix) => {
    const notes = await expectSameModel(title, await renamed(title, (name) => prefix + name));
    expect(notes).toEqual([expect.stringContaining(prefix.split('.').at(-2)!)]);
  });

  test('of the backbone alone, with its head beside it', async () => {
    const inside = (name: string) => (name.startsWith('head.') ? name : `vit.${name}`);
    expect(await expectSameModel('timm/deit', await renamed('timm/deit', inside))).toEqual([]);
    const outside = (name: string) =>
      name.replace(/^vit\./, 'module.backbone.encoder.').replace(/^cl/, 'module.cl');
    expect(await expectSameModel('transformers/vit', await renamed('transformers/vit', outside))).toEqual([
      'the weights’ names were read without "module.backbone.encoder."',
    ]);
  });

  test('of modules that were compiled or wrapped one by one', async () => {
    const wrap = (name: string) =>
      name.replace(/^blocks\.(\d)\./, 'blocks.$1._orig_mod._fsdp_wrapped_module.');
    expect(await expectSameModel('timm/deit', await renamed('timm/deit', wrap))).toEqual([
      'the weights’ names were read without "_orig_mod." and "_fsdp_wrapped_module."',
    ]);
  });
});

const { names: stateDicts } = await readFixture<{ names: Record<string, string[]> }>('state-dict-names');

/** A saved file's tensors by the names that transformers 5 has in memory. */
function inMemory(tensors: Tensors): Tensors {
  const layers = [...tensors.keys()].some((name) => /layernorm_before/.test(name));
  const rename = (name: string) =>
    name
      .replace(/attention\.attention\.(query|key|value)/, (_, part: string) => `attention.${part[0]}_proj`)
      .replace('attention.output.dense', 'attention.o_proj')
      .replace('intermediate.dense', 'mlp.fc1')
      .replace('output.dense', 'mlp.fc2')
      .replace('weights_out', 'down_proj')
      .replace(layers ? 'encoder.layer.' : '\0', 'layers.');
  const out: Tensors = new Map();
  for (const [name, { shape, data }] of tensors) {
    if (!name.includes('weights_in')) out.set(rename(name), { dtype: 'f32', shape, data } as HostTensor);
    else {
      const half = data.length / 2;
      for (const [i, part] of ['gate_proj', 'up_proj'].entries()) {
        const values = (data as Float32Array).slice(i * half, (i + 1) * half);
        out.set(name.replace('weights_in', part), hostTensor([shape[0]! / 2, ...shape.slice(1)], values));
      }
    }
  }
  return out;
}

test.each(Object.keys(stateDicts))('%s: the names of transformers 5 in memory are known', async (title) => {
  const folder = await withTensors(`transformers/${title}`, inMemory);
  const names = [...(await tensorsOf(folder)).keys()].filter((name) => !name.startsWith('decoder'));
  expect(names.sort()).toEqual(stateDicts[title]);
  expect(await expectSameModel(`transformers/${title}`, folder)).toEqual([]);
});

describe('names that do not agree are refused', () => {
  const both = (tensors: Tensors, one: string, other: string): Tensors =>
    new Map(
      [...tensors].flatMap(([name, tensor]) =>
        [one, other].map((prefix) => [prefix + name, tensor] as const),
      ),
    );

  test.each([
    [
      'two models',
      (tensors: Tensors) => both(tensors, 'student.', 'teacher.'),
      'models under "student." and "teacher."',
    ],
    [
      'a model and its average',
      (tensors: Tensors) => both(tensors, '', 'ema.'),
      'models under "" and "ema."',
    ],
  ])('%s', async (_, change, received) => {
    await expect(inspectCheckpointFolder(await withTensors('timm/deit', change))).rejects.toMatchObject({
      code: 'CHECKPOINT',
      message: 'The weights hold more than one model.',
      received,
    });
  });

  test('a block without the prefix of the others', async () => {
    const some = (name: string) => (name.startsWith('blocks.1.') ? name : `module.${name}`);
    await expect(inspectCheckpointFolder(await renamed('timm/deit', some))).rejects.toMatchObject({
      code: 'CHECKPOINT',
      message: 'Not all tensors have the prefix "module." of the model.',
      received: expect.stringMatching(/blocks\.\d.* beside .*blocks\.\d/),
    });
  });

  test('the names of one library under the configuration of the other', async () => {
    const config = JSON.parse(await readFile(join(await changedFixture('timm/deit'), 'config.json'), 'utf8'));
    const folder = await changedFixture('transformers/vit', {}, { 'config.json': config });
    await expect(inspectCheckpointFolder(folder)).rejects.toMatchObject({
      code: 'CHECKPOINT',
      received: 'names of transformers',
      fix: expect.stringContaining('transformers writes'),
    });
  });
});

describe('what the header shows is refused when the folder is opened', () => {
  test.each([
    ['blocks.0.norm1.weight', 'weights that are not stored as real numbers'],
    ['blocks.0.attn.qkv.weight.absmax', 'quantised weights'],
  ])('%s of integers', async (name, feature) => {
    const folder = await withTensors('timm/deit', (tensors) => {
      const { shape = [2] } = tensors.get(name) ?? {};
      return tensors.set(name, hostTensor(shape, new Int32Array(sizeOf(shape))));
    });
    await expect(inspectCheckpointFolder(folder)).rejects.toMatchObject({
      code: 'CHECKPOINT',
      message: expect.stringContaining(feature),
    });
  });
});

describe('weights in several files', () => {
  const index = 'model.safetensors.index.json';

  async function sharded(change: (map: Record<string, string>) => void = () => {}): Promise<string> {
    const folder = await changedFixture('transformers/vit');
    const tensors = [...(await tensorsOf(folder))];
    const map: Record<string, string> = {};
    for (let i = 0; i < 3; i++) {
      const file = `model-0000${i + 1}-of-00003.safetensors`;
      const part = tensors.filter((_, place) => place % 3 === i);
      for (const [name] of part) map[name] = file;
      await writeFile(join(folder, file), writeSafetensors(new Map(part)));
    }
    change(map);
    await writeFile(join(folder, index), JSON.stringify({ metadata: { total_size: 1 }, weight_map: map }));
    await rm(join(folder, 'model.safetensors'));
    return folder;
  }

  test('are read as one', async () => {
    expect(await expectSameModel('transformers/vit', await sharded())).toEqual([]);
  });

  test('are refused where one is missing, by its name', async () => {
    const folder = await sharded();
    await rm(join(folder, 'model-00002-of-00003.safetensors'));
    await expect(inspectCheckpointFolder(folder)).rejects.toMatchObject({
      code: 'MISSING_DATA',
      message: 'A part of the weights is missing: model-00002-of-00003.safetensors.',
    });
  });

  test.each([
    ['names what the part has not', 'model-00001-of-00003.safetensors', /does not hold/],
    ['leaves the folder', '../model-00001-of-00003.safetensors', /does not name their files/],
  ])('are refused where the index %s', async (_, file, message) => {
    const folder = await sharded((map) => {
      map['classifier.bias'] = file;
      map['classifier.weight'] = file;
    });
    await expect(inspectCheckpointFolder(folder)).rejects.toMatchObject({
      message: expect.stringMatching(message),
    });
  });
});

describe('weights in another form', () => {
  async function without(...files: string[]): Promise<string> {
    const folder = await changedFixture('transformers/vit');
    for (const file of ['model.safetensors', 'expected.safetensors']) await rm(join(folder, file));
    for (const file of files) await writeFile(join(folder, file), 'content');
    return folder;
  }

  test.each(['pytorch_model.bin', 'checkpoint.pth', 'best.ckpt'])('%s is never executed', async (file) => {
    const folder = await without('training_args.bin', 'optimizer.pt', file);
    for (const given of [folder, join(folder, file)]) {
      await expect(resolveModel(given)).rejects.toMatchObject({
        code: 'CHECKPOINT',
        where: join(folder, file),
        fix: expect.stringMatching(`In ${folder}: python -c ".*torch.load\\('${file}'.*weights_only=True`),
      });
    }
  });

  test('parts of a pickle are converted together', async () => {
    const folder = await without('pytorch_model.bin.index.json', 'pytorch_model-00001-of-00002.bin');
    await expect(resolveModel(folder)).rejects.toMatchObject({
      fix: expect.stringContaining("open('pytorch_model.bin.index.json')"),
    });
  });

  test.each([
    [['adapter_model.safetensors', 'adapter_config.json'], /holds an adapter/],
    [['tf_model.h5'], /no weights in a form/],
    [['weights.safetensors'], /no weights in a form/],
    [['training_args.bin'], /is missing/],
  ])('%j', async (files, message) => {
    await expect(resolveModel(await without(...files))).rejects.toMatchObject({
      code: 'MISSING_DATA',
      message: expect.stringMatching(message),
    });
  });

  test('an adapter of peft has no config.json', async () => {
    const folder = await without('adapter_model.safetensors', 'adapter_config.json');
    await rm(join(folder, 'config.json'));
    await expect(resolveModel(folder)).rejects.toMatchObject({
      code: 'MISSING_DATA',
      message: expect.stringMatching(/holds an adapter/),
    });
  });

  test('a file is no folder', async () => {
    const folder = await changedFixture('transformers/vit');
    await expect(resolveModel(join(folder, 'model.safetensors'))).rejects.toMatchObject({
      code: 'INPUT',
      fix: `Give the folder: ${folder}.`,
    });
  });

  test('a pointer of Git LFS, or a web page, is not called a damaged file', async () => {
    for (const [content, word] of [
      ['version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n', 'git lfs pull'],
      ['<!DOCTYPE html><html></html>', 'web page'],
      ['PK\x03\x04 torch', 'pickle'],
    ] as const) {
      const model = await changedFixture('transformers/vit');
      await writeFile(join(model, 'model.safetensors'), content);
      await expect(inspectCheckpointFolder(model)).rejects.toMatchObject({
        code: 'FORMAT',
        fix: expect.stringContaining(word),
      });
    }
  });
});
