import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CkaResult, DoneRecord } from '@kora-bench/bench';
import { ckaResultSchema, readPlan, readRecords } from '@kora-bench/bench';
import type { MethodDefinition } from '@kora-bench/core/peft';
import linearProbe from '@kora-bench/method-linear-probe';
import lora from '@kora-bench/method-lora';
import { toyVariants } from '@kora-bench/testing/vit-configs';
import { initialCheckpoint } from '@kora-bench/trainer';
import { beforeAll, describe, expect, test } from 'vitest';
import { runKora } from './own-folder.js';
import type { TinyCell } from './tiny-cell.js';
import { runTinyCell, temporaryFolder, tinyCheckpoint } from './tiny-cell.js';

const probe = linearProbe as MethodDefinition;
const adapter = lora as MethodDefinition;

async function look(
  method: MethodDefinition,
  options: Readonly<Record<string, unknown>>,
  cell: Partial<TinyCell> = {},
): Promise<CkaResult> {
  const record = await runTinyCell({
    method,
    training: { learningRate: 0.1 },
    analyses: [{ name: 'cka', options }],
    ...cell,
  });
  return ckaResultSchema.parse(record.analyses['cka']);
}

type Matrix = CkaResult['debiased'];
const diagonal = (matrix: Matrix) => matrix.map((row, i) => row[i]!);

function expectClose(found: Matrix, expected: Matrix): void {
  for (const [i, row] of expected.entries())
    for (const [j, value] of row.entries()) expect(found[i]![j], `${i} ${j}`).toBeCloseTo(value!, 9);
}

test('a random batch of all images is the exact estimate over them', async () => {
  const exact = await look(adapter, { examples: 8 });
  expect(exact).toMatchObject({ estimator: 'exact', batchSize: null, tokens: 'class', kernel: 'linear' });
  const batch = await look(adapter, { examples: 8, estimator: 'minibatch', batchSize: 8 });
  expect(batch).toMatchObject({ estimator: 'minibatch', batchSize: 8, examples: 8 });
  expectClose(batch.biased, exact.biased);
  expectClose(batch.debiased, exact.debiased);
});

describe('against the untouched backbone', () => {
  const all = { layers: 'sublayers', tokens: 'all', kernel: 'rbf', examples: 'all', batchSize: 8 } as const;
  const options = { ...all, against: 'backbone' };
  let trained: CkaResult;
  beforeAll(async () => {
    trained = await look(adapter, options);
  });

  test('has every block and sublayer of both, over the whole split, and says how', () => {
    const layers = [0, 1].flatMap((block) =>
      ['attn', 'mlp', 'output'].map((site) => `blocks.${block}.${site}`),
    );
    expect(trained).toMatchObject({
      layers,
      examples: 12,
      tokens: 'all',
      kernel: 'rbf',
      bandwidth: 0.8,
      estimator: 'minibatch',
      batchSize: 8,
    });
    for (const { biased, debiased } of [trained, trained.backbone!, trained.backbone!.across]) {
      for (const matrix of [biased, debiased]) {
        expect(matrix).toHaveLength(6);
        for (const value of matrix.flat()) expect(Math.abs(value!)).toBeLessThanOrEqual(1);
      }
    }
    const { limitBytes, usedBytes } = trained.memory!;
    expect(limitBytes).toBe(2 ** 30);
    expect(usedBytes).toBeLessThan(limitBytes);
    // Activations of 8 images with 5 tokens of width 12, and a Gram matrix for each layer of either model.
    expect(usedBytes).toBeGreaterThan(6 * 8 * 5 * 12 * 4 + 12 * 8 * 8 * 8);
  });

  test('fits into the memory that it takes, and not into less', async () => {
    const memoryMiB = trained.memory!.usedBytes / 2 ** 20;
    const again = await look(adapter, { ...options, memoryMiB });
    expect(again).toEqual({
      ...trained,
      memory: { ...trained.memory, limitBytes: trained.memory!.usedBytes },
    });
    await expect(look(adapter, { ...options, memoryMiB: memoryMiB * 0.999 })).rejects.toThrow(/does not fit/);
  });

  test('finds the first attention changed by training, and the rows to be the trained model’s', () => {
    const { across, debiased } = trained.backbone!;
    expect(debiased).not.toEqual(trained.debiased);
    for (const value of diagonal(across.debiased)) expect(value).toBeLessThan(1);
    const turned = across.debiased.map((row, i) => row.map((_, j) => across.debiased[j]![i]!));
    expect(across.debiased).not.toEqual(turned);
  });

  test.each([{}, { tokens: 'patch-mean', kernel: 'linear' }])(
    'a method that leaves the backbone as it is does not differ from it (%j)',
    async (changes) => {
      const { debiased, biased, backbone } = await look(probe, { ...options, ...changes });
      expectClose(backbone!.debiased, debiased);
      expectClose(backbone!.biased, biased);
      expectClose(backbone!.across.debiased, debiased);
    },
  );

  test('every method sees the same images of the backbone in the same batches', async () => {
    const other = await look(probe, options, { seed: 7 });
    expect(other.backbone!.debiased).toEqual(trained.backbone!.debiased);
  });
});

test('a model without a class token is seen by its patches, and refuses to show one', async () => {
  const model = toyVariants['SigLIP with attention pooling']!;
  const checkpoint = initialCheckpoint(model, tinyCheckpoint.preprocessing, 3);
  expect(await look(probe, { examples: 8 }, { checkpoint })).toMatchObject({ tokens: 'patch-mean' });
  await expect(look(probe, { tokens: 'class' }, { checkpoint })).rejects.toMatchObject({
    where: 'tokens',
    received: 'class; before its patches the model has nothing',
  });
});

test('a run of the command line has it in its records and draws it', async () => {
  const folder = temporaryFolder();
  const suite = {
    extends: 'quick',
    methods: [{ name: 'lora' }],
    analyses: [
      { name: 'cka', options: { layers: 'sublayers', tokens: 'all', examples: 'all', against: 'backbone' } },
    ],
    limits: { trainExamples: 64, testExamples: 40 },
    seeds: [0],
  };
  writeFileSync(join(folder, 'cka.json'), JSON.stringify(suite));
  const flags = ['--task', 'source', '--backend', 'onnxruntime', '--no-estimate', '--out', 'run'];
  const ended = await runKora(folder, '--suite', './cka.json', ...flags);
  expect(ended.code, ended.stderr + ended.stdout).toBe(0);
  const { cells } = await readPlan(join(folder, 'run'));
  const [record] = await readRecords(join(folder, 'run'), [cells[0]!.id]);
  const found = ckaResultSchema.parse((record as DoneRecord).analyses['cka']);
  expect(found).toMatchObject({ examples: 40, estimator: 'minibatch', batchSize: 40 });
  expect(found.layers.at(-1)).toMatch(/^blocks\.\d+\.output$/);
  const page = readFileSync(join(folder, 'run', 'report.html'), 'utf8');
  for (const id of ['cka-lora', 'cka-change-lora', 'cka-across-lora', 'cka-backbone-vit-micro-patch8-64'])
    expect(page).toContain(`id="${id}"`);
  expect(page).toContain('"diverging":true');
  expect(page).toContain('Linear CKA of all tokens at attn, mlp, output over 40 test images');
});
