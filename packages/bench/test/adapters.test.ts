import { readFileSync } from 'node:fs';
import { referenceBackend } from '@kora-bench/backend-reference';
import { loadRegistry } from '@kora-bench/bench';
import { jsonMutations, mutations, onlyAcceptableOutcome } from '@kora-bench/broken-inputs';
import type { HostTensor } from '@kora-bench/core/graph';
import type { LoadedPeftAdapter } from '@kora-bench/core/peft';
import { readPeftAdapter } from '@kora-bench/core/peft';
import { readSafetensors } from '@kora-bench/core/safetensors';
import { buildEvalProgram, imagesFeed } from '@kora-bench/core/training';
import { classificationTask } from '@kora-bench/tasks';
import { largestDifference } from '@kora-bench/testing/method-questions';
import { fixtureVit } from '@kora-bench/testing/replay-training';
import { finalStage } from '@kora-bench/trainer';
import { expect, test } from 'vitest';
import { fixture } from './fake-run.js';

const file = (name: string) => readFileSync(fixture(`peft-adapters/${name}`));
const bytesOf = (name: string) => new Uint8Array(file(name));
const { tensors: expected } = readSafetensors(bytesOf('expected.safetensors'));
const base = new Map<string, HostTensor>(
  [...expected].flatMap(([name, value]) =>
    name.startsWith('base.') ? [[name.slice('base.'.length), value]] : [],
  ),
);
const { methods } = await loadRegistry();
const backend = await referenceBackend.create('cpu', { lower: false });

function read(config: string, safetensors: Uint8Array): LoadedPeftAdapter {
  return readPeftAdapter({
    ...{ config, safetensors, model: fixtureVit },
    methods: methods.values(),
    pretrained: base,
  });
}

async function logits({ method, values }: LoadedPeftAdapter): Promise<number[]> {
  const { program } = buildEvalProgram(
    {
      model: fixtureVit,
      method,
      task: classificationTask(3),
      batchSize: 2,
      stage: finalStage(method),
      trains: () => false,
    },
    ['prediction'],
  );
  const executable = await backend.compile(program, new Map([...base, ...values]));
  const { prediction } = await executable.run({
    feeds: { [imagesFeed]: expected.get('images')! },
    fetch: ['prediction'],
  });
  return [...prediction!.data];
}

test.each([
  ['lora-biases', 'lora', { bias: 'all' }],
  ['lora-own-biases', 'lora', { bias: 'lora_only', targets: ['attn.qkv', 'mlp.fc2'] }],
  [
    'lora-patterns',
    'lora',
    {
      rank: 2,
      alpha: 6,
      scaling: 'alpha/sqrt(r)',
      rankPattern: { 'blocks.1.attn.qkv': 4, 'mlp.fc2': 3 },
      alphaPattern: { 'blocks.0.attn.proj': 9, 'mlp.fc2': 1 },
    },
  ],
  ['lora-second-block', 'lora', { blocks: [1], targets: ['attn.qkv', 'mlp.fc1'] }],
  ['lora-pissa', 'lora', { init: 'pissa' }],
  ['dora', 'dora', { rank: 2, alpha: 6 }],
  ['ia3', 'ia3', { targets: ['attn.qkv', 'mlp.fc2'], feedforward: ['mlp.fc2'] }],
  ['vera', 'vera', { rank: 5 }],
  ['oft', 'oft', { blockSize: 4, neumannTerms: 5 }],
  [
    'fourierft',
    'fourierft',
    { frequencies: 20, scaling: 60, locationSeed: 5, targets: ['attn.qkv', 'mlp.fc1'] },
  ],
])('%s, trained and saved by peft, gives peft’s own logits', async (tag, method, options) => {
  const adapter = read(
    file(`${tag}/adapter_config.json`).toString(),
    bytesOf(`${tag}/adapter_model.safetensors`),
  );
  expect(adapter.method.definition.name).toBe(method);
  expect(adapter.method.options).toMatchObject(options);
  const difference = largestDifference(await logits(adapter), [...expected.get(`logits.${tag}`)!.data]);
  expect(difference).toBeLessThan(1e-5);
});

test('a head without a bias is read as one', async () => {
  const tag = 'head-without-bias';
  const adapter = read(
    file(`${tag}/adapter_config.json`).toString(),
    bytesOf(`${tag}/adapter_model.safetensors`),
  );
  expect(adapter.values.has('head.bias')).toBe(false);
  const bias: HostTensor = { dtype: 'f32', shape: [3], data: new Float32Array(3) };
  const found = await logits({ ...adapter, values: new Map([...adapter.values, ['head.bias', bias]]) });
  expect(largestDifference(found, [...expected.get(`logits.${tag}`)!.data])).toBeLessThan(1e-5);
});

/** In the suite as many as take seconds; `pnpm mutations` tries 10,000 of each. */
const count = Number(process.env.MUTATIONS ?? 60);
const seed = Number(process.env.MUTATIONS_SEED ?? 1);
// Of validating and of the residuals that PiSSA computes, whatever the file is.
const allowance = 2 ** 22;

test.each(['lora-patterns', 'lora-biases', 'lora-pissa', 'dora', 'ia3', 'vera', 'oft', 'fourierft'])(
  'a mutated adapter is read as one with finite numbers that fit, or refused with a fix: %s',
  { timeout: 60_000 + 200 * count },
  async (tag) => {
    const config = file(`${tag}/adapter_config.json`).toString();
    const safetensors = bytesOf(`${tag}/adapter_model.safetensors`);
    const right = ({ method, values }: LoadedPeftAdapter) => {
      const shapes = new Map(
        method.definition.parameters(fixtureVit, method.options).map(({ name, shape }) => [name, shape]),
      );
      for (const [name, shape] of shapes) expect(values.get(name)?.shape, name).toEqual(shape);
      for (const { data } of values.values()) expect(data.every((x) => Number.isFinite(x))).toBe(true);
    };
    for (const { index, what, value } of jsonMutations(seed, JSON.parse(config), count)) {
      const text = JSON.stringify(value);
      const limits = { what: `${tag}, configuration ${index}: ${what}`, right };
      await onlyAcceptableOutcome(() => read(text, safetensors.slice()), {
        ...limits,
        bytes: text.length + safetensors.length,
        allowance,
      });
    }
    for (const { index, what, value } of mutations(seed, safetensors, count)) {
      const limits = { what: `${tag}, tensors ${index}: ${what}`, right };
      await onlyAcceptableOutcome(() => read(config, value), { ...limits, bytes: value.length, allowance });
    }
  },
);
