import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PeerTraining } from '@kora-bench/core/backend';
import { hostTensor, sizeOf } from '@kora-bench/core/graph';
import type { ConfiguredMethod, MethodDefinition } from '@kora-bench/core/peft';
import { defaultAdamW, isTrainable, modelParameters } from '@kora-bench/core/training';
import adaptformer from '@kora-bench/method-adaptformer';
import full from '@kora-bench/method-full';
import ia3 from '@kora-bench/method-ia3';
import lora from '@kora-bench/method-lora';
import { pytorchPeer } from '@kora-bench/peer-pytorch';
import { toyTask } from '@kora-bench/testing/method-questions';
import { toyVit } from '@kora-bench/testing/vit-configs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

const python = fileURLToPath(new URL('stub-python.mjs', import.meta.url));
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kora-peer-'));
  vi.stubEnv('STUB_ASKED', join(folder, 'asked.json'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

/** A method's training with all values at their start, on the toy. */
function trainingOf<Options>(definition: MethodDefinition<Options>, options: unknown): PeerTraining {
  const method: ConfiguredMethod = {
    definition: definition as MethodDefinition,
    options: definition.options.parse(options),
  };
  const parameters = modelParameters(toyVit, method, toyTask);
  const values = (trains: boolean) =>
    new Map(
      parameters
        .filter((parameter) => isTrainable(parameter, method) === trains)
        .map((spec) => [spec.name, hostTensor(spec.shape, new Float32Array(sizeOf(spec.shape)))]),
    );
  return {
    model: toyVit.config,
    method,
    weights: values(false),
    parameters: values(true),
    updates: new Map(parameters.flatMap(({ name, update }) => (update ? [[name, update] as const] : []))),
    optimizer: defaultAdamW,
    learningRate: 0.01,
    images: hostTensor([2, 3, ...toyVit.imageSize], new Float32Array(6 * sizeOf(toyVit.imageSize))),
    labels: hostTensor([2], new Int32Array(2)),
  };
}

/** The request that loads a training in Python. */
async function askedFor<Options>(definition: MethodDefinition<Options>, options: unknown = {}) {
  const peer = await pytorchPeer({ python }).create('cpu', trainingOf(definition, options));
  await peer.dispose();
  return JSON.parse(readFileSync(join(folder, 'asked.json'), 'utf8'))[0];
}

const { width, mlpWidth } = toyVit.config;

describe('the PyTorch peer', () => {
  it('answers with the losses, the memory and the versions of the other side', async () => {
    const peer = await pytorchPeer({ python }).create('cpu', trainingOf(lora, { rank: 2 }));
    expect(await peer.step()).toBe(1.5);
    expect(await peer.peakMemoryBytes?.()).toBe(123_000_000);
    expect(peer.versions).toEqual({ torch: '2.0' });
    await peer.dispose();
  });

  it('gets the model, the adapter as peft saves it, all values, and what has a rate of its own', async () => {
    const asked = await askedFor(lora, { rank: 2, alpha: 4, targets: ['attn.qkv'], loraPlus: 16 });
    expect(asked.model).toMatchObject({ width, depth: toyVit.depth });
    expect(asked.adapter).toEqual({ separateAttention: false });
    expect(asked.files.config).toMatchObject({
      peft_type: 'LORA',
      r: 2,
      lora_alpha: 4,
      target_modules: ['attn.qkv'],
      modules_to_save: ['head'],
    });
    expect(asked.files.values).toMatchObject({
      'base_model.model.blocks.0.attn.qkv.lora_A.weight': [2, width],
      'base_model.model.head.weight': [4, width],
    });
    expect(asked.trained['blocks.0.attn.qkv.lora_A.weight']).toEqual({ size: 2 * width });
    expect(asked.trained['blocks.0.attn.qkv.lora_B.weight']).toEqual({ size: 6 * width, learningRate: 16 });
    expect(asked.optimizer).toEqual({
      learningRate: 0.01,
      beta1: 0.9,
      beta2: 0.999,
      eps: 1e-8,
      weightDecay: 0.01,
    });
    const names = Object.keys(asked.values);
    expect(names).toEqual(expect.arrayContaining(['pos_embed', 'head.weight', 'images', 'labels']));
    expect(names.filter((name) => name.includes('lora'))).toEqual([]);
    expect(existsSync(asked.folder)).toBe(false);
  });

  it('has query, key and value as layers of their own where an adapter sits on one of them', async () => {
    const asked = await askedFor(ia3);
    expect(asked.adapter).toEqual({ separateAttention: true });
    expect(asked.files.config).toMatchObject({ peft_type: 'IA3' });
    expect(asked.files.values).toMatchObject({
      'base_model.model.blocks.0.attn.k.ia3_l': [width, 1],
      'base_model.model.blocks.0.mlp.fc2.ia3_l': [1, mlpWidth],
    });
    expect(asked.values).toMatchObject({
      'blocks.1.attn.q.weight': [width, width],
      'blocks.1.attn.v.bias': [width],
    });
    expect(Object.keys(asked.values).filter((name) => name.includes('.qkv.'))).toEqual([]);
  });

  it('trains biases of those layers where the method trains the fused one’s', async () => {
    const { trained } = await askedFor(lora, { rank: 2, targets: ['attn.q'], bias: 'all' });
    expect(trained['blocks.0.attn.k.bias']).toEqual({ size: width, weightDecay: 0 });
    expect(trained['blocks.0.attn.qkv.bias']).toBeUndefined();
  });

  it('adds nothing where the model’s own weights train', async () => {
    const asked = await askedFor(full);
    expect(asked.adapter).toBeNull();
    expect(asked.files).toBe(false);
    expect(asked.trained['blocks.0.attn.qkv.weight']).toEqual({ size: 3 * width ** 2 });
  });

  it('takes PiSSA’s adapter as it trains, on the weights that it starts from', async () => {
    const asked = await askedFor(lora, { rank: 2, targets: ['attn.proj'], init: 'pissa' });
    expect(asked.files.config).toMatchObject({ r: 2 });
  });

  it('leaves out an adapter that no output depends on', async () => {
    const { trained } = await askedFor(lora, { ...lora.presets!.published!, rank: 2 });
    expect(Object.keys(trained).filter((name) => name.startsWith('unused'))).toEqual([]);
  });

  it.each([
    [adaptformer, {}, 'timm and peft have no adaptformer to be measured beside.', 'method'],
    [lora, { dropout: 0.1, rank: 2 }, 'would drop different inputs', 'method lora'],
  ] as const)('refuses %o before Python starts', async (definition, options, message, where) => {
    const training = trainingOf(definition as MethodDefinition, options);
    await expect(pytorchPeer({ python: 'no-such-python' }).create('cpu', training)).rejects.toMatchObject({
      code: 'INPUT',
      message: expect.stringContaining(message),
      where: expect.stringContaining(where),
    });
  });

  it('says which package Python lacks, or that there is no Python', async () => {
    vi.stubEnv('STUB_LACKS', 'timm');
    const lacking = pytorchPeer({ python }).create('cpu', trainingOf(full, {}));
    await expect(lacking).rejects.toMatchObject({
      code: 'BACKEND',
      received: "ModuleNotFoundError: No module named 'timm' (ended with code 1)",
      fix: expect.stringContaining('-m pip install torch timm peft safetensors'),
    });
    const missing = pytorchPeer({ python: 'no-such-python' }).create('cpu', trainingOf(full, {}));
    await expect(missing).rejects.toMatchObject({
      code: 'BACKEND',
      received: expect.stringContaining('ENOENT'),
    });
  });

  it('passes on what PyTorch refuses, and leaves no file behind', async () => {
    vi.stubEnv('STUB_REFUSES', 'ValueError: norm.weight is [8] here and [4] in the suite');
    const refused = pytorchPeer({ python }).create('cpu', trainingOf(full, {}));
    await expect(refused).rejects.toMatchObject({
      code: 'BACKEND',
      received: 'ValueError: norm.weight is [8] here and [4] in the suite',
    });
    expect(existsSync(JSON.parse(readFileSync(join(folder, 'asked.json'), 'utf8'))[0].folder)).toBe(false);
  });
});
