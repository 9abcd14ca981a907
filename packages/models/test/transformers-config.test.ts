import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hostTensor } from '@kora-bench/core/graph';
import { readSafetensors, writeSafetensors } from '@kora-bench/core/safetensors';
import { inspectCheckpointFolder } from '@kora-bench/models';
import { describe, expect, test } from 'vitest';
import { changedFixture } from './checkpoint-folder.js';

type Changes = Readonly<Record<string, unknown>>;

const config = (title: string, changes: Changes) =>
  changedFixture(`transformers/${title}`, { 'config.json': changes });
const processor = (title: string, changes: Changes) =>
  changedFixture(`transformers/${title}`, { 'preprocessor_config.json': changes });

describe('a field that is null, or left out, is not set', () => {
  test('as fast processors of transformers 4 write it', async () => {
    const nulls = {
      do_center_crop: null,
      crop_size: null,
      do_convert_rgb: null,
      image_processor_type: 'ViTImageProcessorFast',
    };
    const { preprocessing } = await inspectCheckpointFolder(await processor('vit', nulls));
    expect(preprocessing).toMatchObject({ imageSize: [12, 12], cropPct: 1, cropMode: 'squash' });
  });

  test('where images and texts are prepared together, transformers 5 nests the processor of images', async () => {
    const alone = await changedFixture('transformers/clip');
    const path = join(alone, 'preprocessor_config.json');
    const { preprocessing } = await inspectCheckpointFolder(alone);
    const nested = {
      image_processor: JSON.parse(await readFile(path, 'utf8')),
      processor_class: 'CLIPProcessor',
    };
    await writeFile(join(alone, 'processor_config.json'), JSON.stringify(nested));
    await rm(path);
    expect((await inspectCheckpointFolder(alone)).preprocessing).toEqual(preprocessing);
  });

  test('the defaults are those of the model’s kind', async () => {
    const left = { hidden_act: undefined, layer_norm_eps: null };
    const clip = await inspectCheckpointFolder(await config('clip-vision', left));
    expect(clip.config).toMatchObject({ activation: 'quick_gelu', layerNormEps: 1e-5 });
    const siglip = await inspectCheckpointFolder(await config('siglip-vision', left));
    expect(siglip.config).toMatchObject({ activation: 'gelu_tanh', layerNormEps: 1e-6 });
  });
});

test('values that a processor does not rescale or normalise are normalised all the same', async () => {
  const raw = await inspectCheckpointFolder(
    await processor('vit', { do_rescale: false, image_mean: [127.5, 127.5, 127.5] }),
  );
  expect(raw.preprocessing.mean).toEqual([0.5, 0.5, 0.5]);
  expect(raw.preprocessing.std[0]).toBeCloseTo(0.5 / 255, 12);
  const plain = await inspectCheckpointFolder(await processor('vit', { do_normalize: false }));
  expect(plain.preprocessing).toMatchObject({ mean: [0, 0, 0], std: [1, 1, 1] });
});

describe('what is not supported is refused by its name, and no message says to edit the file', () => {
  test.each([
    ['model_type', { model_type: 'dinov3_vit' }, 'rotary position embeddings'],
    ['model_type', { model_type: 'swinv2' }, 'window attention'],
    ['model_type', { model_type: 'beit' }, 'relative position biases'],
    ['model_type', { model_type: 'siglip2' }, 'patch grids of any shape'],
    ['model_type', { model_type: 'resnet' }, 'a model of the type resnet'],
    ['hidden_act', { hidden_act: 'gelu_10' }, 'the activation gelu_10'],
    ['patch_size', { patch_size: [4, 2] }, 'patches that are not square'],
    ['num_channels', { num_channels: 1 }, 'images of other than three channels'],
  ])('%s of config.json, %j', async (field, changes, feature) => {
    await expect(inspectCheckpointFolder(await config('vit', changes))).rejects.toMatchObject({
      code: 'CHECKPOINT',
      message: expect.stringContaining(`not supported: ${feature}`),
      where: expect.stringMatching(`config.json: ${field}$`),
      fix: expect.stringContaining('Nothing is wrong with the file'),
    });
  });

  test.each([
    ['do_pad', 'vit', { do_pad: true, pad_size: { height: 12, width: 12 } }, 'images padded to a size'],
    ['size', 'clip', { size: { longest_edge: 12 } }, 'a size by longest_edge'],
    [
      'size',
      'clip',
      { size: { shortest_edge: 12, longest_edge: 20 } },
      'a size by shortest_edge and longest_edge',
    ],
    [
      'image_processor_type',
      'vit',
      { image_processor_type: 'ConvNextImageProcessor', crop_pct: 0.875 },
      'images prepared by ConvNextImageProcessor',
    ],
    ['size', 'clip', { do_center_crop: false }, 'images of any shape'],
    ['crop_size', 'clip', { crop_size: { height: 16, width: 16 } }, 'a crop that is larger than the image'],
  ])('%s of preprocessor_config.json of %s, %j', async (field, title, changes, feature) => {
    await expect(inspectCheckpointFolder(await processor(title, changes))).rejects.toMatchObject({
      code: 'CHECKPOINT',
      message: expect.stringContaining(`not supported: ${feature}`),
      where: expect.stringMatching(`preprocessor_config.json: ${field}$`),
    });
  });
});

describe('a configuration and weights that contradict each other are refused', () => {
  test.each([
    ['dinov2-registers', { num_register_tokens: 2 }, 'does not fit'],
    ['dinov2-swiglu', { use_swiglu_ffn: false }, 'disagree about the model’s MLP width'],
    ['vit', { qkv_bias: false }, 'has 2 tensors that'],
    ['vit', { num_hidden_layers: 3 }, 'disagree about the model’s depth'],
    ['vit', { num_attention_heads: 3 }, 'does not divide the model’s width'],
    ['siglip-vision', { vision_use_head: false }, 'attention pooling'],
    ['dinov2', { model_type: 'dinov2_with_registers' }, 'register tokens'],
  ])('%s with %j', async (title, changes, message) => {
    await expect(inspectCheckpointFolder(await config(title, changes))).rejects.toMatchObject({
      code: 'CHECKPOINT',
      message: expect.stringContaining(message),
    });
  });

  test('the processor makes images that the model does not take', async () => {
    const folder = await processor('vit', { size: { height: 16, width: 16 } });
    await expect(inspectCheckpointFolder(folder)).rejects.toMatchObject({
      code: 'CHECKPOINT',
      expected: '12×12',
      received: '16×16',
    });
  });

  test.each([
    ['vit.encoder.layer.0.attention.relative_position_bias_table', 'relative position biases'],
    ['vit.rope_embeddings.inv_freq', 'rotary position embeddings'],
    ['vit.something_else', ''],
  ])('an unknown tensor, %s', async (name, feature) => {
    const folder = await changedFixture('transformers/vit');
    const path = join(folder, 'model.safetensors');
    const { tensors } = readSafetensors(await readFile(path));
    tensors.set(name, hostTensor([2], Float32Array.of(1, 2)));
    await rm(path);
    await writeFile(path, writeSafetensors(tensors));
    await expect(inspectCheckpointFolder(folder)).rejects.toMatchObject({
      code: 'CHECKPOINT',
      message: expect.stringMatching(
        new RegExp(`^The checkpoint has 1 tensor that .* does not have.*${feature}`),
      ),
      received: expect.stringContaining('[2]'),
    });
  });
});
