import { readFileSync } from 'node:fs';
import { referenceBackend } from '@kora-bench/backend-reference';
import { FormatError, KoraError } from '@kora-bench/core/errors';
import type { HostTensor, Weights } from '@kora-bench/core/graph';
import { hostTensor } from '@kora-bench/core/graph';
import type { VitConfig } from '@kora-bench/core/nn';
import { vitArchitecture } from '@kora-bench/core/nn';
import type { MethodDefinition } from '@kora-bench/core/peft';
import { readSafetensors, writeSafetensors } from '@kora-bench/core/safetensors';
import { buildEvalProgram } from '@kora-bench/core/training';
import lora, { fromPeftAdapter, type LoraOptions, toPeftAdapter } from '@kora-bench/method-lora';
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

/** Logits of a model with the method's values, or with a plain one's where they are merged. */
async function logits(options: LoraOptions, values: Weights): Promise<number[]> {
  const method = { definition: lora as MethodDefinition, options };
  const spec = { model: fixtureVit, method, task: classificationTask(3), batchSize: 2, stage: 'train' };
  const { program } = buildEvalProgram({ ...spec, trains: () => false }, ['prediction']);
  const backend = await referenceBackend.create('cpu', { lower: false });
  const executable = await backend.compile(program, values);
  const images = hostTensor(
    [2, 3, 8, 8],
    Float32Array.from({ length: 384 }, (_, i) => Math.sin(1.7 * i)),
  );
  const { prediction } = await executable.run({ feeds: { images }, fetch: ['prediction'] });
  return [...prediction!.data];
}

/** A method that leaves the backbone as it is. */
const untouched = { ...lora, parameters: () => [], initialize: () => new Map() } as MethodDefinition;

/** Trained values of an adapter with a head, and the backbone as it was before. */
async function trainedAdapter(given: object) {
  const options = lora.options.parse(given);
  const start = await startValues(lora, given, fixtureVit);
  const before = await startValues(untouched, {}, fixtureVit);
  const pretrained = new Map([...before].filter(([name]) => fixtureVit.weights.has(name)));
  const values = new Map([...trainedValues(start, lora, given, fixtureVit), ...head(3)]);
  return { options, values, pretrained };
}

test.each([
  ['parts of qkv', { targets: ['attn.q', 'attn.v'], rank: 3, alpha: 5 }, { rank: 6, targets: ['attn.qkv'] }],
  [
    'parts with ranks and factors of their own',
    {
      targets: ['attn.k', 'attn.v', 'mlp.fc2'],
      scaling: 'alpha/sqrt(r)',
      rank: 2,
      rankPattern: { 'attn.k': 3 },
      alphaPattern: { 'blocks.1.attn.v': 20 },
    },
    { scaling: 'alpha/sqrt(r)', rankPattern: { 'mlp.fc2': 2 } },
  ],
  ['some blocks', { targets: ['attn.q', 'mlp.fc1'], rank: 2, blocks: [1] }, { blocks: [1] }],
  ['all biases', { targets: ['attn.qkv'], bias: 'all' }, { bias: 'all' }],
  ['biases of its layers', { targets: ['mlp.fc1'], bias: 'lora_only' }, { bias: 'lora_only' }],
  ['a start from PiSSA', { targets: ['attn.qkv', 'attn.proj'], rank: 2, init: 'pissa' }, { rank: 4 }],
])('%s: what is written gives the same logits when it is read', async (_, given, expected) => {
  const { options, values, pretrained } = await trainedAdapter(given);
  const written = toPeftAdapter(values, fixtureVit, options, pretrained);
  const read = fromPeftAdapter(JSON.stringify(written.config), written.safetensors, fixtureVit);
  expect(read.options).toMatchObject(expected);
  const [before, after] = [
    await logits(options, values),
    await logits(read.options, new Map([...pretrained, ...read.parameters])),
  ];
  expect(largestDifference(before, after)).toBeLessThan(1e-7);
});

test('an adapter that says that it started as PiSSA gets the residual weights, as peft makes them', async () => {
  const given = { targets: ['attn.qkv'], rank: 2, init: 'pissa' };
  const { options, values, pretrained } = await trainedAdapter(given);
  const plain = toPeftAdapter(values, fixtureVit, { ...options, init: 'kaiming' });
  const text = JSON.stringify({ ...plain.config, init_lora_weights: 'pissa' });
  const read = fromPeftAdapter(text, plain.safetensors, fixtureVit, pretrained);
  const after = await logits(read.options, new Map([...pretrained, ...read.parameters]));
  expect(largestDifference(await logits(options, values), after)).toBeLessThan(1e-7);
});

test('adapters that start as PiSSA are written with the weights that they started from', async () => {
  const { options, values } = await trainedAdapter({ init: 'pissa' });
  const error = failure(() => toPeftAdapter(values, fixtureVit, options));
  expect(error).toMatchObject({ code: 'INPUT', where: 'pretrained' });
});

test('a head without a bias is written and read as one', async () => {
  const { options, values } = await trainedAdapter({ targets: ['attn.qkv'] });
  values.delete('head.bias');
  const { config: written, safetensors } = toPeftAdapter(values, fixtureVit, options);
  const { parameters } = fromPeftAdapter(JSON.stringify(written), safetensors, fixtureVit);
  expect(parameters.get('head.weight')!.shape).toEqual([3, 8]);
  expect(parameters.has('head.bias')).toBe(false);
});

describe('what is not readable says why', () => {
  const withField = (field: string, value: unknown) =>
    JSON.stringify({ ...JSON.parse(config), [field]: value });

  test.each([
    ['use_dora', true],
    ['peft_type', 'ADALORA'],
    ['bias', 'some'],
    ['rank_pattern', { 'blocks.0.attn.qkv': 0 }],
    ['rank_pattern', { '(?i)qkv': 2 }],
    ['rank_pattern', { '(a+)+': 2 }],
    ['alpha_pattern', ['mlp.fc1']],
    ['init_lora_weights', 'pissa'],
    ['init_lora_weights', 'pissa_niter_4'],
    ['lora_bias', true],
    ['use_something_new', true],
    ['something_config', { on: true }],
    ['modules_to_save', ['norm']],
    ['modules_to_save', 'head'],
    ['r', 0],
  ])('%s: %j', (field, value) => {
    const error = failure(() => fromPeftAdapter(withField(field, value), adapter, fixtureVit));
    expect(error).toBeInstanceOf(FormatError);
    expect(error.where).toContain(`adapter_config.json: ${field}`);
  });

  test('a configuration that is not JSON', () => {
    expect(failure(() => fromPeftAdapter('{"r":', adapter, fixtureVit)).where).toBe('adapter_config.json');
  });

  test.each([
    ['NaN', Number.NaN],
    ['infinity', Number.NEGATIVE_INFINITY],
  ])('%s', (_, value) => {
    const { tensors } = readSafetensors(adapter.slice());
    for (const name of ['base_model.model.blocks.1.mlp.fc1.lora_B.weight', 'base_model.model.head.bias']) {
      const tensor = tensors.get(name)!;
      const broken = { ...tensor, data: Float32Array.from(tensor.data).fill(value, 1, 2) };
      const bytes = writeSafetensors(new Map([...tensors, [name, broken]]));
      const error = failure(() => fromPeftAdapter(config, bytes, fixtureVit));
      expect(error).toBeInstanceOf(FormatError);
      expect(error.where).toBe(`adapter_model.safetensors: ${name}, element 1`);
    }
  });

  test('numbers that are not real', () => {
    const { tensors } = readSafetensors(adapter);
    const name = 'base_model.model.blocks.0.attn.qkv.lora_A.weight';
    const integers: HostTensor = { dtype: 'i32', shape: [2, 8], data: new Int32Array(16) };
    const error = failure(() =>
      fromPeftAdapter(config, writeSafetensors(new Map([...tensors, [name, integers]])), fixtureVit),
    );
    expect(error).toMatchObject({ code: 'FORMAT', where: `adapter_model.safetensors: ${name}` });
  });

  test('a rank that is not the configuration’s', () => {
    const error = failure(() => fromPeftAdapter(withField('r', 3), adapter, fixtureVit));
    expect(error).toMatchObject({ code: 'FORMAT', expected: '[3, 8]', received: '[2, 8]' });
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
