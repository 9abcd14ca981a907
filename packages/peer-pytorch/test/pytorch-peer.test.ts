import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PeerTraining } from '@kora-bench/core/backend';
import { hostTensor } from '@kora-bench/core/graph';
import { vitWeights } from '@kora-bench/core/nn';
import { defaultAdamW } from '@kora-bench/core/training';
import lora from '@kora-bench/method-lora';
import { pytorchPeer } from '@kora-bench/peer-pytorch';
import { toyVit } from '@kora-bench/testing/vit-configs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

const python = fileURLToPath(new URL('stub-python.mjs', import.meta.url));
const zeros = (shape: readonly number[]) =>
  hostTensor(shape, new Float32Array(shape.reduce((a, b) => a * b, 1)));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kora-peer-'));
  vi.stubEnv('STUB_ASKED', join(folder, 'asked.json'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

function trainingOf(name: string, options: unknown): PeerTraining {
  return {
    model: toyVit.config,
    method: { name, options },
    weights: new Map([...vitWeights(toyVit.config)].map(([weight, shape]) => [weight, zeros(shape)])),
    parameters: new Map([
      ['blocks.0.attn.qkv.lora_A.weight', zeros([2, toyVit.width])],
      ['unused_classifier.lora_A.weight', zeros([2, toyVit.width])],
      ['head.weight', zeros([3, toyVit.width])],
      ['head.bias', zeros([3])],
    ]),
    updates: new Map([['head.bias', { weightDecay: 0 }]]),
    optimizer: defaultAdamW,
    learningRate: 0.01,
    images: zeros([2, 3, ...toyVit.imageSize]),
    labels: hostTensor([2], new Int32Array(2)),
  };
}

describe('the PyTorch peer', () => {
  it('gets the model, the adapter in peft’s words, every value, and what has a rate of its own', async () => {
    const options = lora.options.parse({ ...lora.presets!['peft'], rank: 2, alpha: 4 });
    const peer = await pytorchPeer({ python }).create('cpu', trainingOf('lora', options));
    expect(await peer.step()).toBe(1.5);
    expect(await peer.peakMemoryBytes?.()).toBe(123_000_000);
    expect(peer.versions).toEqual({ torch: '2.0' });
    await peer.dispose();
    const [asked] = JSON.parse(readFileSync(join(folder, 'asked.json'), 'utf8'));
    expect(asked.model).toMatchObject({ width: toyVit.width, depth: toyVit.config.depth });
    expect(asked.adapter).toEqual({
      config: 'LoraConfig',
      arguments: {
        r: 2,
        lora_alpha: 4,
        use_rslora: false,
        target_modules: 'blocks\\.\\d+\\.(attn\\.qkv)',
      },
    });
    expect(asked.trained).toEqual({
      'blocks.0.attn.qkv.lora_A.weight': [1, 1],
      'head.weight': [1, 1],
      'head.bias': [1, 0],
    });
    expect(asked.optimizer).toEqual({
      learningRate: 0.01,
      beta1: 0.9,
      beta2: 0.999,
      eps: 1e-8,
      weightDecay: 0.01,
    });
    expect(asked.values).toEqual(expect.arrayContaining(['pos_embed', 'head.weight', 'images', 'labels']));
    expect(existsSync(asked.path)).toBe(false);
  });

  it('adds nothing where the model’s own weights train', async () => {
    const peer = await pytorchPeer({ python }).create('cpu', trainingOf('full', {}));
    await peer.dispose();
    expect(JSON.parse(readFileSync(join(folder, 'asked.json'), 'utf8'))[0].adapter).toBeNull();
  });

  it.each([
    ['adaptformer', {}, 'timm and peft have no adaptformer to be measured beside.', 'method'],
    [
      'lora',
      lora.options.parse({ targets: ['attn.q'] }),
      'peft has no lora with these options',
      'options.targets',
    ],
    ['lora', lora.options.parse({ dropout: 0.1 }), 'peft has no lora with these options', 'options.dropout'],
  ])('refuses %s %o before Python starts', async (name, options, message, where) => {
    const created = pytorchPeer({ python: 'no-such-python' }).create('cpu', trainingOf(name, options));
    await expect(created).rejects.toMatchObject({
      code: 'INPUT',
      message: expect.stringContaining(message),
      where: expect.stringContaining(where),
    });
  });

  it('says which package Python lacks, or that there is no Python', async () => {
    vi.stubEnv('STUB_LACKS', 'timm');
    const lacking = pytorchPeer({ python }).create('cpu', trainingOf('full', {}));
    await expect(lacking).rejects.toMatchObject({
      code: 'BACKEND',
      received: "ModuleNotFoundError: No module named 'timm' (ended with code 1)",
      fix: expect.stringContaining('-m pip install torch timm peft safetensors'),
    });
    const missing = pytorchPeer({ python: 'no-such-python' }).create('cpu', trainingOf('full', {}));
    await expect(missing).rejects.toMatchObject({
      code: 'BACKEND',
      received: expect.stringContaining('ENOENT'),
    });
  });

  it('passes on what PyTorch refuses, and leaves no file behind', async () => {
    vi.stubEnv('STUB_REFUSES', 'ValueError: norm.weight is [8] here and [4] in the suite');
    const refused = pytorchPeer({ python }).create('cpu', trainingOf('full', {}));
    await expect(refused).rejects.toMatchObject({
      code: 'BACKEND',
      received: 'ValueError: norm.weight is [8] here and [4] in the suite',
    });
    expect(existsSync(JSON.parse(readFileSync(join(folder, 'asked.json'), 'utf8'))[0].path)).toBe(false);
  });
});
