import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { referenceBackend } from '@kora-bench/backend-reference';
import type { DoneRecord, RunConfigInput } from '@kora-bench/bench';
import {
  type ExportTarget,
  exportModel,
  loadRegistry,
  missingCells,
  openTrainedModel,
  readPlan,
} from '@kora-bench/bench';
import { main } from '@kora-bench/bench/cli';
import { hostTensor, sizeOf, type Weights } from '@kora-bench/core/graph';
import type { ConfiguredMethod, MethodDefinition } from '@kora-bench/core/peft';
import { readSafetensors } from '@kora-bench/core/safetensors';
import { buildEvalProgram, imagesFeed } from '@kora-bench/core/training';
import { loadModel } from '@kora-bench/models';
import { classificationTask } from '@kora-bench/tasks';
import { largestDifference } from '@kora-bench/testing/method-questions';
import { finalStage } from '@kora-bench/trainer';
import { beforeAll, expect, test } from 'vitest';
import { captureOutput } from './captured-output.js';
import { findingOf, runTinyCell, temporaryFolder, tinyCheckpoint } from './tiny-cell.js';
import { trainedRun as runAll, writeToyCheckpoint } from './trained-run.js';

const output = captureOutput();
const context = { dataDir: temporaryFolder(), cacheDir: temporaryFolder() };
const folder = temporaryFolder();
const base = join(folder, 'base');
const run = join(folder, 'run');
const images = hostTensor(
  [2, 3, 16, 16],
  Float32Array.from({ length: sizeOf([2, 3, 16, 16]) }, (_, i) => Math.sin(1.7 * i)),
);

const entries = {
  lora: { targets: ['attn.q', 'attn.v', 'mlp.fc2'], rank: 2 },
  dora: { rank: 2 },
  ia3: {},
  full: {},
  vpt: {},
};

/** Runs all cells of a configuration on the toy backbone. */
function trainedRun(runDir: string, given: Partial<RunConfigInput>): Promise<DoneRecord[]> {
  const phases: RunConfigInput['phases'] = [
    { name: 'source', task: 'classification', data: 'procedural-source' },
    { name: 'next', from: 'source', task: 'classification', data: 'procedural-source', trains: 'head' },
  ];
  const methods = Object.entries(entries).map(([name, options]) => ({ name, options }));
  return runAll(runDir, { methods, models: [base], phases, ...given }, context);
}

async function logits(method: ConfiguredMethod, model: typeof tinyCheckpoint.model, values: Weights) {
  const task = classificationTask(values.get('head.weight')!.shape[0]!);
  const { program } = buildEvalProgram(
    { model, method, task, batchSize: 2, stage: finalStage(method), trains: () => false },
    ['prediction'],
  );
  const backend = await referenceBackend.create('cpu', { lower: false });
  const executable = await backend.compile(program, values);
  const { prediction } = await executable.run({ feeds: { [imagesFeed]: images }, fetch: ['prediction'] });
  return [...prediction!.data];
}

let records: DoneRecord[];
beforeAll(async () => {
  writeToyCheckpoint(base);
  records = await trainedRun(run, {});
}, 120_000);

const recordOf = (method: string) => records.find(({ cell }) => cell.method === method)!;

test('records name what each phase trained, with its digest: after a phase of a head alone, the head', () => {
  const [source, next] = recordOf('lora').phases.map(({ draws }) => draws[0]!.weights!);
  expect(source).toMatchObject({ file: expect.stringMatching(/^weights\/lora-.*\.source\.safetensors$/) });
  const names = (file: string) => [
    ...readSafetensors(new Uint8Array(readFileSync(join(run, file)))).tensors.keys(),
  ];
  expect(names(source!.file)).toEqual(
    expect.arrayContaining(['head.weight', 'head.bias', 'blocks.1.attn.v.lora_B.weight']),
  );
  expect(names(source!.file).filter((name) => !/lora_|^head/.test(name))).toEqual([]);
  expect(names(next!.file).sort()).toEqual(['head.bias', 'head.weight']);
});

test('what is kept gives what was measured', async () => {
  for (const { cell } of records) {
    const trained = await openTrainedModel(run, { cell: cell.id }, context);
    expect(trained.classNames).toHaveLength(100);
    expect(trained.values.get('head.weight')!.shape).toEqual([100, 12]);
  }
});

const plain: ConfiguredMethod['definition'] = {
  name: 'plain',
  description: '',
  source: '',
  options: { parse: () => ({}) } as never,
  parameters: () => [],
};

test.each([
  ['lora', 'timm'],
  ['lora', 'transformers'],
  ['dora', 'timm'],
  ['ia3', 'transformers'],
  ['full', 'timm'],
] as const)('%s is written for %s as a checkpoint that gives the same logits', async (method, to) => {
  for (const phase of ['source', 'next']) {
    const trained = await openTrainedModel(run, { cell: method, phase }, context);
    const out = join(folder, `${method}-${to}-${phase}`);
    const { files } = await exportModel(trained, to, out);
    expect(files).toContain('model.safetensors');
    const loaded = await loadModel(out, context);
    const stated = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')) as {
      label_names?: string[];
      id2label?: Record<string, string>;
    };
    expect(stated.label_names ?? Object.values(stated.id2label!)).toEqual(trained.classNames);
    expect(loaded.preprocessing).toMatchObject(tinyCheckpoint.preprocessing);
    const before = await logits(trained.method, trained.model, trained.values);
    const after = await logits({ definition: plain, options: {} }, loaded.model, loaded.tensors);
    expect(largestDifference(before, after)).toBeLessThan(1e-5);
  }
});

test.each(['lora', 'dora', 'ia3'])(
  '%s is written for peft, and training goes on from there',
  async (method) => {
    const trained = await openTrainedModel(run, { cell: method }, context);
    const out = join(folder, `${method}-peft`);
    await exportModel(trained, 'peft', out);
    const again = join(folder, `${method}-again`);
    const [record] = await trainedRun(again, {
      methods: [{ name: method, adapter: out }],
      phases: [{ name: 'source', task: 'classification', data: 'procedural-source' }],
      training: { epochs: 1, batchSize: 4, learningRate: 1e-9 },
    });
    expect(record!.cell.adapter).toMatchObject({ folder: out });
    expect(record!.findings.map(({ code }) => code)).toContain('STARTS_FROM_ADAPTER');
    const going = await openTrainedModel(again, { cell: method }, context);
    const before = await logits(trained.method, trained.model, trained.values);
    const after = await logits(going.method, going.model, going.values);
    expect(largestDifference(before, after)).toBeLessThan(1e-5);
  },
);

test('a run goes on with the cells whose weights are to be kept and are not there', async () => {
  const plan = await readPlan(run);
  expect(await missingCells(run, plan)).toEqual([]);
  const { file } = recordOf('vpt').phases[1]!.draws[0]!.weights!;
  const content = readFileSync(join(run, file));
  rmSync(join(run, file));
  expect((await missingCells(run, plan)).map(({ method }) => method)).toEqual(['vpt']);
  expect(await missingCells(run, { ...plan, config: { ...plan.config, keepWeights: false } })).toEqual([]);
  writeFileSync(join(run, file), content.subarray(1));
  await expect(openTrainedModel(run, { cell: 'vpt', phase: 'next' }, context)).rejects.toMatchObject({
    code: 'FORMAT',
  });
  writeFileSync(join(run, file), content);
});

test('weights that cannot be written cost the weights alone, with a finding', async () => {
  const runDir = temporaryFolder();
  writeFileSync(join(runDir, 'weights'), 'no folder');
  const { lora } = Object.fromEntries((await loadRegistry()).methods) as { lora: MethodDefinition };
  const record = await runTinyCell({ method: lora, runDir, config: { keepWeights: true }, analyses: [] });
  expect(record.phases[0]!.draws[0]!.weights).toBeNull();
  expect(findingOf(record, 'WEIGHTS_NOT_KEPT')).toMatchObject({ severity: 'error', where: 'source' });
});

/** What the command line says, with its exit code. */
async function exported(...words: string[]): Promise<{ code: number; text: string }> {
  const code = await main(['export', ...words]);
  return { code, text: `${output.stdout}${output.stderr}` };
}

test.each<[string, string[], RegExp[]]>([
  ['a cell that is not there', ['lara', 'peft'], [/no cell "lara"/, /Name one of lora-/]],
  ['a method that peft lacks', ['full', 'peft'], [/peft has no method like full/, /timm or transformers/]],
  ['a method without any form', ['vpt', 'timm'], [/vpt cannot be merged/, /neither be merged nor written/]],
])('%s is refused', async (_, [cell, to], messages) => {
  const { code, text } = await exported(run, cell!, '--to', to as ExportTarget, '--out', join(folder, 'new'));
  expect(code).toBe(2);
  for (const message of messages) expect(text).toMatch(message);
});

test('a folder that holds something is refused, and so is a run that kept nothing', async () => {
  const taken = await exported(run, 'lora', '--to', 'timm', '--out', base);
  expect(taken).toMatchObject({ code: 2, text: expect.stringContaining('not empty') });
  const without = join(folder, 'without');
  await trainedRun(without, { keepWeights: false, methods: [{ name: 'lora' }] });
  const { code, text } = await exported(without, 'lora', '--to', 'timm', '--out', join(folder, 'new'));
  expect(code).toBe(2);
  expect(text).toContain(`--resume --keep-weights --out ${without}`);
});

test('an adapter of another model, or one that was changed, is refused', async () => {
  const adapter = join(folder, 'ia3-peft');
  await expect(
    trainedRun(join(folder, 'other'), {
      methods: [{ name: 'ia3', adapter }],
      models: ['vit_micro_patch8_64'],
    }),
  ).rejects.toMatchObject({
    code: 'FORMAT',
    where: expect.stringContaining('adapter_model.safetensors: base_'),
  });
  await expect(
    trainedRun(join(folder, 'other'), { methods: [{ name: 'lora', adapter }] }),
  ).rejects.toMatchObject({ code: 'INPUT', where: 'methods[0].adapter' });
});
