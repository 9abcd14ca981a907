import { createHash } from 'node:crypto';
import { mkdir, readFile, rename } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { referenceBackend } from '@kora-bench/backend-reference';
import { hostTensor } from '@kora-bench/core/graph';
import { writeSafetensors } from '@kora-bench/core/safetensors';
import { inspectCheckpointFolder, loadCheckpointFolder, resolveModel } from '@kora-bench/models';
import { describe, expect, test } from 'vitest';
import {
  changedFixture,
  checkpointFolder,
  type ModelFixture,
  readFixture,
  temporaryFolder,
  timmConfig,
  toTensors,
} from './checkpoint-folder.js';
import { forward, maxDistance } from './forward.js';

const timm = await readFixture<ModelFixture>('timm-vit');
const transformers = await readFixture<ModelFixture>('transformers-vit');
const timmTensors = () => toTensors(timm.tensors);
const timmFolder = (changes?: Record<string, unknown>, tensors = timmTensors()) =>
  checkpointFolder({ 'config.json': timmConfig(changes) }, tensors);
const reference = await referenceBackend.create('cpu', { lower: false });

describe('a checkpoint of timm', () => {
  test('gives timm’s logits and features, whatever its depth, width, heads and patch', async () => {
    const checkpoint = await loadCheckpointFolder(await timmFolder());
    const images = hostTensor([2, 3, 8, 12], Float32Array.from(timm.images));
    const { logits, features } = await forward(reference, checkpoint, images);
    expect(maxDistance(logits, timm.logits)).toBeLessThan(1e-4);
    expect(maxDistance(features, timm.features!)).toBeLessThan(1e-4);
  });

  test('brings its preprocessing, what it was trained on, and the file’s SHA-256', async () => {
    const folder = await timmFolder();
    const checkpoint = await loadCheckpointFolder(folder);
    expect((await inspectCheckpointFolder(folder)).config).toMatchObject({
      depth: 2,
      width: 6,
      heads: 3,
      mlpWidth: 9,
      patchSize: 4,
      numClasses: 4,
    });
    expect(checkpoint.preprocessing).toEqual({
      imageSize: [8, 12],
      interpolation: 'bilinear',
      cropPct: 0.875,
      mean: [0.1, 0.2, 0.3],
      std: [0.4, 0.5, 0.6],
    });
    expect(checkpoint.notes).toEqual(['trained on ImageNet-21k, fine-tuned on ImageNet-1k']);
    const bytes = await readFile(join(folder, 'model.safetensors'));
    expect(checkpoint.fingerprint).toBe(createHash('sha256').update(bytes).digest('hex'));
  });

  test('is described by its folder without reading the weights, and loads without a classifier', async () => {
    const tensors = timmTensors();
    tensors.delete('head.weight');
    tensors.delete('head.bias');
    const folder = await timmFolder({}, tensors);
    const model = await resolveModel(folder);
    expect(model).toMatchObject({
      name: basename(folder),
      embedded: false,
      model: { numClasses: 0, width: 6 },
    });
    expect((await model.load({ dataDir: '' })).tensors.size).toBe(tensors.size);
  });

  test('may have its fields at the root, as older releases wrote it, and fields that are null', async () => {
    const { pretrained_cfg: pretrained, ...rest } = timmConfig();
    const flat = { ...rest, ...(pretrained as object), fc_norm: null, crop_mode: null };
    const folder = await checkpointFolder({ 'config.json': flat }, timmTensors());
    const nested = await loadCheckpointFolder(await timmFolder());
    expect((await loadCheckpointFolder(folder)).preprocessing).toEqual(nested.preprocessing);
  });

  test('may give arguments with the values that they have anyway', async () => {
    const { model_args: args } = timmConfig();
    // All of `VisionTransformer` in timm 1.0.31 but the geometry, and the names of what it takes for `None`.
    const defaults = {
      in_chans: 3,
      num_classes: 1000,
      global_pool: 'token',
      qkv_bias: true,
      qk_norm: false,
      scale_attn_norm: false,
      scale_mlp_norm: false,
      proj_bias: true,
      init_values: null,
      class_token: true,
      pos_embed: 'learn',
      no_embed_class: false,
      reg_tokens: 0,
      pre_norm: false,
      final_norm: true,
      fc_norm: false,
      pool_include_prefix: false,
      dynamic_img_size: false,
      dynamic_img_pad: false,
      drop_rate: 0,
      pos_drop_rate: 0,
      patch_drop_rate: 0,
      proj_drop_rate: 0,
      attn_drop_rate: 0,
      drop_path_rate: 0.1,
      weight_init: '',
      fix_init: false,
      embed_norm_layer: null,
      norm_layer: 'layernorm',
      act_layer: 'GELU',
      device: null,
      dtype: null,
    };
    const folder = await timmFolder({ model_args: { ...(args as object), ...defaults } });
    expect((await inspectCheckpointFolder(folder)).config).toEqual(
      (await inspectCheckpointFolder(await timmFolder())).config,
    );
  });

  test('a norm that is named has its own epsilon, not that of the architecture', async () => {
    const clip = (args: object) =>
      changedFixture('timm/clip-laion', {
        'config.json': { model_args: { embed_dim: 12, depth: 2, num_heads: 2, ...args } },
      });
    const { config } = await inspectCheckpointFolder(await clip({}));
    expect(config.layerNormEps).toBe(1e-5);
    const named = await inspectCheckpointFolder(await clip({ norm_layer: 'layernorm' }));
    expect(named.config).toEqual({ ...config, layerNormEps: 1e-6 });
  });

  test('says where OpenAI’s CLIP is not run with the activation that it was trained with', async () => {
    const pretrained = timmConfig().pretrained_cfg as object;
    const folder = await timmFolder({ pretrained_cfg: { ...pretrained, tag: 'openai' } });
    expect((await inspectCheckpointFolder(folder)).notes).toEqual([
      expect.stringContaining('trained with quick GELU'),
    ]);
  });

  test('is squashed where its configuration says so', async () => {
    const pretrained = timmConfig().pretrained_cfg as object;
    const folder = await timmFolder({ pretrained_cfg: { ...pretrained, crop_mode: 'squash' } });
    expect((await inspectCheckpointFolder(folder)).preprocessing.cropMode).toBe('squash');
  });

  test('says how `pnpm pretrain` trained it', async () => {
    const pretraining = { dataset: 'procedural-pretrain', examples: 12_000, classes: 60 };
    const { tag: _, ...untagged } = timmConfig().pretrained_cfg as Record<string, unknown>;
    const folder = await timmFolder({ pretraining, pretrained_cfg: untagged });
    const { notes } = await loadCheckpointFolder(folder);
    expect(notes).toEqual(['trained on procedural-pretrain (12000 images of 60 classes)']);
  });

  test('is converted from F16', async () => {
    const bytes = writeSafetensors(timmTensors(), {}, { realDType: 'F16' });
    const { tensors } = await loadCheckpointFolder(
      await checkpointFolder({ 'config.json': timmConfig() }, bytes),
    );
    const { dtype, data } = tensors.get('norm.weight')!;
    expect(dtype).toBe('f32');
    expect(maxDistance(data, timm.tensors['norm.weight']!.data)).toBeLessThan(1e-3);
  });

  test('takes images of another size by interpolating its position embedding', async () => {
    const folder = await timmFolder();
    const same = await loadCheckpointFolder(folder, { imageSize: [8, 12] });
    const other = await loadCheckpointFolder(folder, { imageSize: [16, 12] });
    expect(other.model.imageSize).toEqual([16, 12]);
    expect(other.preprocessing.imageSize).toEqual([16, 12]);
    expect(other.tensors.get('pos_embed')!.shape).toEqual([1, 4 * 3 + 1, 6]);
    expect(other.fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(other.fingerprint).not.toBe(same.fingerprint);
    expect(other.notes.at(-1)).toBe('position embedding interpolated from 2×3 to 4×3 patches');
    await expect(loadCheckpointFolder(folder, { imageSize: [10, 12] })).rejects.toMatchObject({
      code: 'INPUT',
      expected: 'multiples of the patch size 4',
    });
  });
});

describe('a checkpoint of transformers', () => {
  const config = transformers.config!;
  const processor = {
    image_mean: [0.5, 0.5, 0.5],
    image_std: [0.5, 0.5, 0.5],
    resample: 2,
    size: { height: 8, width: 8 },
  };
  const folderOf = (tensors = toTensors(transformers.tensors), changes = {}) =>
    checkpointFolder(
      { 'config.json': { ...config, ...changes }, 'preprocessor_config.json': processor },
      tensors,
    );
  const images = hostTensor([1, 3, 8, 8], Float32Array.from(transformers.images));

  test('gives transformers’ logits with query, key and value fused', async () => {
    const checkpoint = await loadCheckpointFolder(await folderOf());
    const { config } = await inspectCheckpointFolder(await folderOf());
    expect(config).toMatchObject({ heads: 2, layerNormEps: 1e-12, numClasses: 3 });
    expect(checkpoint.preprocessing).toMatchObject({ interpolation: 'bilinear', cropPct: 1 });
    const { logits } = await forward(reference, checkpoint, images);
    expect(maxDistance(logits, transformers.logits)).toBeLessThan(1e-4);
  });

  test('may come without the prefix and with a pooler, as ViTModel writes it', async () => {
    const tensors = new Map(
      [...toTensors(transformers.tensors)]
        .filter(([name]) => name.startsWith('vit.'))
        .map(([name, tensor]) => [name.slice(4), tensor]),
    );
    tensors.set('pooler.dense.bias', hostTensor([6], new Float32Array(6)));
    const checkpoint = await loadCheckpointFolder(await folderOf(tensors));
    expect(checkpoint.model.numClasses).toBe(0);
    expect([...checkpoint.tensors.keys()]).not.toContain('pooler.dense.bias');
    expect(checkpoint.tensors.get('blocks.1.attn.qkv.weight')!.shape).toEqual([18, 6]);
  });

  test('is refused when a projection is missing or the activation is another', async () => {
    const tensors = toTensors(transformers.tensors);
    tensors.delete('vit.encoder.layer.1.attention.attention.key.weight');
    await expect(folderOf(tensors).then((folder) => loadCheckpointFolder(folder))).rejects.toMatchObject({
      code: 'CHECKPOINT',
      expected: 'blocks.1.attn.qkv.weight [18, 6]',
    });
    const folder = await folderOf(undefined, { hidden_act: 'gelu_10' });
    await expect(loadCheckpointFolder(folder)).rejects.toMatchObject({
      code: 'CHECKPOINT',
      message: 'The checkpoint needs what is not supported: the activation gelu_10.',
      where: expect.stringMatching(/config\.json: hidden_act$/),
      received: '"gelu_10"',
    });
  });
});

describe('a checkpoint that is not right', () => {
  const edited = (edit: (tensors: ReturnType<typeof timmTensors>) => void) => {
    const tensors = timmTensors();
    edit(tensors);
    return timmFolder({}, tensors);
  };
  const filled = (shape: number[], value = 0) =>
    hostTensor(shape, new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value));

  test('names the tensors that are missing', async () => {
    const folder = await edited((tensors) => tensors.delete('blocks.1.norm2.bias'));
    await expect(loadCheckpointFolder(folder)).rejects.toMatchObject({
      code: 'CHECKPOINT',
      where: join(folder, 'model.safetensors'),
      expected: 'blocks.1.norm2.bias [6]',
    });
  });

  test('names the tensors that are misshapen, with both shapes', async () => {
    const folder = await edited((tensors) => tensors.set('pos_embed', filled([1, 5, 6])));
    await expect(loadCheckpointFolder(folder)).rejects.toMatchObject({
      code: 'CHECKPOINT',
      expected: 'pos_embed [1, 7, 6]',
      received: 'pos_embed [1, 5, 6]',
    });
  });

  test('names the tensors that the model does not have, and what they are there for', async () => {
    const folder = await edited((tensors) => tensors.set('blocks.0.ls1.gamma', filled([6])));
    await expect(loadCheckpointFolder(folder)).rejects.toMatchObject({
      code: 'CHECKPOINT',
      message: 'The checkpoint has 1 tensor that vit_fixture_patch4 does not have: layer scale.',
      received: 'blocks.0.ls1.gamma [6]',
    });
  });

  test('names the tensor with a number that is not finite', async () => {
    const folder = await edited((tensors) => tensors.set('norm.bias', filled([6], Number.NaN)));
    await expect(loadCheckpointFolder(folder)).rejects.toMatchObject({
      code: 'CHECKPOINT',
      where: `${join(folder, 'model.safetensors')}, tensor "norm.bias", element 0`,
    });
  });

  test.each([5, 300, -4])('is a format error when the file is cut at byte %i', async (end) => {
    const bytes = writeSafetensors(timmTensors()).slice(0, end);
    const folder = await checkpointFolder({ 'config.json': timmConfig() }, bytes);
    await expect(loadCheckpointFolder(folder)).rejects.toMatchObject({
      code: 'FORMAT',
      where: expect.stringContaining(join(folder, 'model.safetensors')),
    });
  });

  test('asks for the heads where nothing states them', async () => {
    const folder = await timmFolder({ model_args: undefined, architecture: 'vit_fixture_patch4_8' });
    await expect(loadCheckpointFolder(folder)).rejects.toMatchObject({
      code: 'CHECKPOINT',
      where: expect.stringMatching(/config\.json: model_args\.num_heads$/),
      fix: expect.stringContaining('num_heads'),
    });
  });

  test.each([
    ['another depth', { model_args: { num_heads: 3, depth: 3 } }, 'depth'],
    [
      'layer scale',
      { model_args: { num_heads: 3, init_values: 1e-5 } },
      'lacks 4 tensors of vit_fixture_patch4: layer',
    ],
    [
      'average pooling',
      { global_pool: 'avg' },
      'lacks 2 tensors of vit_fixture_patch4: a norm after pooling',
    ],
    [
      'a name of other geometry',
      { architecture: 'vit_tiny_patch16_224', model_args: undefined },
      'patch size',
    ],
    ['another family', { architecture: 'resnet50' }, 'an architecture other than timm’s VisionTransformer'],
    ['rotary positions', { architecture: 'eva02_base_patch14_448' }, 'rotary position embeddings'],
    ['another pooling', { global_pool: 'avgmax' }, 'pooling by "avgmax"'],
    [
      'an argument of other blocks',
      { model_args: { num_heads: 3, scale_mlp_norm: true } },
      'norms inside the MLP',
    ],
    ['fixed positions', { model_args: { num_heads: 3, pos_embed: 'none' } }, 'other than learned positions'],
    ['an unknown argument', { model_args: { num_heads: 3, gated: true } }, 'the argument gated'],
  ])('is refused when its configuration states %s', async (_, changes, message) => {
    await expect(timmFolder(changes).then((folder) => loadCheckpointFolder(folder))).rejects.toMatchObject({
      code: 'CHECKPOINT',
      message: expect.stringContaining(message),
    });
  });

  test.each([
    [
      'dinov2',
      'vit_large_patch14_224',
      'has 4 tensors that vit_large_patch14_224 does not have: layer scale',
    ],
    [
      'plain-rectangular',
      'vit_small_patch14_dinov2',
      'lacks 4 tensors of vit_small_patch14_dinov2: layer scale',
    ],
    ['clip-laion', 'vit_base_patch32_224', 'lacks 1 tensor of vit_base_patch32_224'],
    ['siglip', 'vit_base_patch16_siglip_gap_224', 'attention pooling'],
    ['deit', 'deit_tiny_distilled_patch16_224', 'a distillation token'],
    ['dinov2-swiglu', 'vit_large_patch14_dinov2', 'disagree about the model’s MLP width'],
    ['no-class-token', 'vit_medium_patch16_reg4_gap_256', 'register tokens'],
  ])(
    '%s under the name %s is refused: the name implies something else',
    async (title, architecture, message) => {
      const source = new URL(`fixtures/timm/${title}/`, import.meta.url);
      const config = JSON.parse(await readFile(new URL('config.json', source), 'utf8')) as {
        global_pool?: string;
        model_args: { global_pool?: string };
      };
      delete config.global_pool;
      delete config.model_args.global_pool;
      const weights = await readFile(new URL('model.safetensors', source));
      const folder = await checkpointFolder({ 'config.json': { ...config, architecture } }, weights);
      await expect(loadCheckpointFolder(folder)).rejects.toMatchObject({
        code: 'CHECKPOINT',
        message: expect.stringContaining(message),
      });
    },
  );

  test('is refused under the name of another model', async () => {
    const dataDir = await temporaryFolder();
    await mkdir(join(dataDir, 'models'));
    await rename(await timmFolder(), join(dataDir, 'models', 'vit_tiny_patch16_224'));
    const model = await resolveModel('vit_tiny_patch16_224');
    await expect(model.load({ dataDir })).rejects.toMatchObject({
      code: 'CHECKPOINT',
      expected: 'image size 224×224, patch size 16, width 192, depth 12, MLP width 768',
      received: 'vit_fixture_patch4: image size 8×12, patch size 4, width 6, depth 2, MLP width 9',
    });
  });

  test('names the field of a configuration that is wrong', async () => {
    const pretrained = timmConfig().pretrained_cfg as Record<string, unknown>;
    const folder = await timmFolder({ pretrained_cfg: { ...pretrained, interpolation: 'random' } });
    await expect(loadCheckpointFolder(folder)).rejects.toMatchObject({
      code: 'CHECKPOINT',
      message: 'The checkpoint needs what is not supported: random interpolation.',
      where: `${join(folder, 'config.json')}: pretrained_cfg.interpolation`,
    });
    const wrong = await timmFolder({ pretrained_cfg: { ...pretrained, std: [1, 0, 1] } });
    await expect(loadCheckpointFolder(wrong)).rejects.toMatchObject({
      code: 'FORMAT',
      where: `${join(wrong, 'config.json')}: pretrained_cfg.std.1`,
      expected: 'a number from 1e-6 to 1e6',
      received: '0',
    });
  });

  test('says which file is missing', async () => {
    await expect(resolveModel('./no/such/folder')).rejects.toMatchObject({
      code: 'MISSING_DATA',
      where: expect.stringMatching(/config\.json$/),
      fix: expect.stringContaining('model.safetensors'),
    });
  });
});
