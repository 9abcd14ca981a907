import { readFileSync } from 'node:fs';
import { referenceBackend } from '@kora-bench/backend-reference';
import { FormatError, KoraError } from '@kora-bench/core/errors';
import type { HostTensor } from '@kora-bench/core/graph';
import type { VitConfig } from '@kora-bench/core/nn';
import { vitArchitecture } from '@kora-bench/core/nn';
import { readSafetensors, writeSafetensors } from '@kora-bench/core/safetensors';
import { buildEvalProgram } from '@kora-bench/core/training';
import lora, { fromPeftAdapter, toPeftAdapter } from '@kora-bench/method-lora';
import { classificationTask } from '@kora-bench/tasks';
import { largestDifference, startValues, trainedValues } from '@kora-bench/testing/method-questions';
import { fixtureVit, fixtureVitConfig } from '@kora-bench/testing/replay-training';
import { describe, expect, test } from 'vitest';

const fixture = (name: string) => readFileSync(new URL(`fixtures/peft-toy/${name}`, import.meta.url));
const config = fixture('adapter_config.json').toString();
const adapter = new Uint8Array(fixture('adapter_model.safetensors'));
const head = (classes: number): [string, HostTensor][] => [
  ['head.weight', { dtype: 'f32', shape: [classes, 8], data: new Float32Array(classes * 8).fill(0.5) }],
  ['head.bias', { dtype: 'f32', shape: [classes], data: new Float32Array(classes).fill(-1) }],
];

async function ownAdapter(given: object): Promise<Map<string, HostTensor>> {
  const names = new Set(lora.parameters(fixtureVit, lora.options.parse(given)).map(({ name }) => name));
  const start = await startValues(lora, given, fixtureVit);
  const trained = trainedValues(start, lora, given, fixtureVit);
  return new Map([...trained].filter(([name]) => names.has(name)));
}

function failure(run: () => unknown): KoraError {
  try {
    run();
  } catch (error) {
    if (error instanceof KoraError) return error;
    throw error;
  }
  throw new Error('It should have failed.');
}

test('an adapter trained and saved by peft gives peft’s own logits', async () => {
  const { tensors: expected } = readSafetensors(new Uint8Array(fixture('expected.safetensors')));
  const { options, parameters } = fromPeftAdapter(config, adapter, fixtureVit);
  expect(options).toEqual({
    rank: 2,
    alpha: 6,
    scaling: 'alpha/sqrt(r)',
    targets: 'all-linear',
    init: 'kaiming',
    loraPlus: 1,
    dropout: 0,
    includeUnusedClassifier: false,
  });
  const base = [...expected].flatMap(([name, value]): [string, HostTensor][] =>
    name.startsWith('base.') ? [[name.slice('base.'.length), value]] : [],
  );
  const method = { definition: lora, options };
  const spec = {
    model: fixtureVit,
    method,
    task: classificationTask(3),
    batchSize: 2,
    stage: 'train',
    trains: () => false,
  };
  const { program } = buildEvalProgram(spec, ['prediction']);
  const backend = await referenceBackend.create('cpu', { lower: false });
  const executable = await backend.compile(program, new Map([...base, ...parameters]));
  const { prediction } = await executable.run({
    feeds: { images: expected.get('images')! },
    fetch: ['prediction'],
  });
  expect(largestDifference([...prediction!.data], [...expected.get('logits')!.data])).toBeLessThan(1e-5);
});

test.each([
  [
    { rank: 3, alpha: 5 },
    { rank: 3, alpha: 5, scaling: 'alpha/r' },
  ],
  [
    { rank: 4, alpha: 2, scaling: 'alpha/sqrt(r)' },
    { rank: 4, alpha: 2, scaling: 'alpha/sqrt(r)' },
  ],
  [
    { rank: 4, alpha: 2, scaling: 'alpha' },
    { rank: 4, alpha: 8, scaling: 'alpha/r' },
  ],
  [{ dropout: 0.25 }, { dropout: 0.25 }],
  [{ targets: ['attn.qkv', 'mlp.fc2'] }, { targets: ['attn.qkv', 'mlp.fc2'] }],
])('writing %j and reading it back keeps every value and the same factor', async (given, expected) => {
  const parameters = new Map([...(await ownAdapter(given)), ...head(3)]);
  const written = toPeftAdapter(parameters, fixtureVit, lora.options.parse(given));
  const read = fromPeftAdapter(JSON.stringify(written.config), written.safetensors, fixtureVit);
  expect(read.options).toMatchObject(expected);
  expect(read.parameters).toEqual(parameters);
});

test('the names are peft’s, and the unused classifier’s adapter stays behind', async () => {
  const given = { targets: ['attn.qkv'], includeUnusedClassifier: true };
  const written = toPeftAdapter(
    new Map([...(await ownAdapter(given)), ...head(3)]),
    fixtureVit,
    lora.options.parse(given),
  );
  expect(written.config).toMatchObject({ target_modules: ['attn.qkv'], modules_to_save: ['head'] });
  expect([...readSafetensors(written.safetensors).tensors.keys()].sort()).toEqual([
    'base_model.model.blocks.0.attn.qkv.lora_A.weight',
    'base_model.model.blocks.0.attn.qkv.lora_B.weight',
    'base_model.model.blocks.1.attn.qkv.lora_A.weight',
    'base_model.model.blocks.1.attn.qkv.lora_B.weight',
    'base_model.model.head.bias',
    'base_model.model.head.weight',
  ]);
});

test('without a head nothing is left for modules_to_save', async () => {
  expect(
    toPeftAdapter(await ownAdapter({}), fixtureVit, lora.options.parse({})).config.modules_to_save,
  ).toBeNull();
});

test('a target on a part of qkv cannot be written', async () => {
  const given = { targets: ['attn.q'] };
  const own = await ownAdapter(given);
  const error = failure(() => toPeftAdapter(own, fixtureVit, lora.options.parse(given)));
  expect(error).toMatchObject({ code: 'INPUT', where: 'options.targets', received: 'attn.q' });
});

test('an adapter that started as PiSSA cannot be written', async () => {
  const own = await ownAdapter({ init: 'pissa' });
  const error = failure(() => toPeftAdapter(own, fixtureVit, lora.options.parse({ init: 'pissa' })));
  expect(error).toMatchObject({ code: 'INPUT', where: 'options.init' });
});

describe('what is not readable says why', () => {
  const withField = (field: string, value: unknown) =>
    JSON.stringify({ ...JSON.parse(config), [field]: value });

  test.each([
    ['use_dora', true],
    ['peft_type', 'ADALORA'],
    ['bias', 'all'],
    ['rank_pattern', { 'blocks.0.attn.qkv': 4 }],
    ['init_lora_weights', 'pissa'],
    ['modules_to_save', ['norm']],
    ['r', 0],
  ])('%s: %j', (field, value) => {
    const error = failure(() => fromPeftAdapter(withField(field, value), adapter, fixtureVit));
    expect(error).toBeInstanceOf(FormatError);
    expect(error.where).toContain(`adapter_config.json: ${field}`);
  });

  test('a configuration that is not JSON', () => {
    expect(failure(() => fromPeftAdapter('{"r":', adapter, fixtureVit)).where).toBe('adapter_config.json');
  });

  test('truncated tensors', () => {
    expect(failure(() => fromPeftAdapter(config, adapter.subarray(0, 1000), fixtureVit))).toBeInstanceOf(
      FormatError,
    );
  });

  test.each([
    ['another width', { width: 16 }, /lora_A/],
    ['fewer blocks', { depth: 1 }, /blocks\.1/],
    ['more blocks', { depth: 3 }, /blocks\.2/],
  ])('a model with %s', (_, change: Partial<VitConfig>, where) => {
    const error = failure(() =>
      fromPeftAdapter(config, adapter, vitArchitecture({ ...fixtureVitConfig, ...change })),
    );
    expect(error).toBeInstanceOf(FormatError);
    expect(error.where).toMatch(where);
  });

  test.each([
    ['a layer that is not in a block', 'base_model.model.patch_embed.proj.lora_A.weight'],
    ['names without peft’s prefix', 'blocks.0.attn.qkv.lora_A.weight'],
  ])('%s', (_, name) => {
    const tensor: HostTensor = { dtype: 'f32', shape: [2, 8], data: new Float32Array(16) };
    const bytes = writeSafetensors(new Map([...readSafetensors(adapter).tensors, [name, tensor]]));
    expect(failure(() => fromPeftAdapter(config, bytes, fixtureVit)).where).toContain(name);
  });
});
