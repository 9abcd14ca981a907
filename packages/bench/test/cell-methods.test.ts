import onnxruntime from '@kora-bench/backend-ort';
import type { DoneRecord } from '@kora-bench/bench';
import { ckaResultSchema, recordSchema } from '@kora-bench/bench';
import type { Backend } from '@kora-bench/core/backend';
import { add } from '@kora-bench/core/ops';
import type { MethodDefinition } from '@kora-bench/core/peft';
import { defineMethod } from '@kora-bench/core/peft';
import adapterFusion from '@kora-bench/method-adapter-fusion';
import full from '@kora-bench/method-full';
import kora from '@kora-bench/method-kora';
import koraChain from '@kora-bench/method-kora-chain';
import linearProbe from '@kora-bench/method-linear-probe';
import lora from '@kora-bench/method-lora';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { memoryDataset } from './memory-split.js';
import {
  depthPhase,
  evaluationOf,
  metricOf,
  runTinyCell,
  sourcePhase,
  trainingOf,
  transferPhase,
} from './tiny-cell.js';

const methods = [linearProbe, full, lora, adapterFusion, kora, koraChain] as readonly MethodDefinition[];

const source = () => memoryDataset({ train: 48, test: 24, classes: 4 });
const ckaOf = ({ analyses }: DoneRecord) => ckaResultSchema.parse(analyses['cka']);

describe('every method, trained and evaluated in every phase by onnxruntime', () => {
  const records = new Map<string, DoneRecord>();
  let backend: Backend;
  beforeAll(async () => {
    backend = await onnxruntime.create('cpu', onnxruntime.options.parse({}));
    for (const method of methods) {
      const record = await runTinyCell({
        method,
        backend,
        training: { epochs: 10, learningRate: 0.02 },
        data: { source: source() },
        phases: [
          sourcePhase(),
          transferPhase(),
          transferPhase({ name: 'transfer-as-published', protocol: 'as-published' }),
          depthPhase(),
        ],
      });
      records.set(method.name, record);
    }
  });
  afterAll(() => backend.dispose());

  test.each(methods)('$name: a record that is valid as JSON', ({ name }) => {
    const record: unknown = JSON.parse(JSON.stringify(records.get(name)));
    expect(recordSchema.parse(record)).toEqual(record);
  });

  test.each(methods)('$name: the loss falls in every stage', ({ name }) => {
    const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    for (const { losses } of trainingOf(records.get(name)!).stages) {
      const values = losses.map(({ loss }) => loss);
      const third = Math.floor(values.length / 3);
      expect(mean(values.slice(-third))).toBeLessThan(0.99 * mean(values.slice(0, third)));
    }
  });

  test.each(methods)('$name: every phase is evaluated on all of its test examples', ({ name }) => {
    const record = records.get(name)!;
    const evaluated = record.phases.map((phase) => [phase.name, evaluationOf(record, phase.name).examples]);
    expect(evaluated).toEqual([
      ['source', 24],
      ['transfer', 12],
      ['transfer-as-published', 12],
      ['depth', 6],
    ]);
    expect(metricOf(record, 'rmse', 'depth')).toBeLessThan(2);
  });

  test('merged LoRA gives the same logits, and only LoRA merges', () => {
    for (const [name, { analyses }] of records) {
      const { error } = analyses['merge']!;
      if (name === 'lora') expect(error).toBeLessThan(1e-4);
      else expect(error).toBeNull();
    }
    expect(records.get('lora')!.analyses['merge']!['error']).toBeGreaterThan(0);
  });

  test('kora-chain never touches the backbone: its CKA is the frozen backbone’s own', () => {
    const frozen = ckaOf(records.get('linear-probe')!);
    expect(ckaOf(records.get('kora-chain')!)).toEqual(frozen);
    expect(ckaOf(records.get('lora')!).biased).not.toEqual(frozen.biased);
    for (const [i, row] of frozen.biased.entries()) expect(row[i]).toBeCloseTo(1, 6);
  });

  test('adapter-fusion trains each stage on its part of the classes and parameters, for all epochs', () => {
    const { stages } = trainingOf(records.get('adapter-fusion')!);
    const adapters = 2 * (16 * 12 + 16 + 12 * 16 + 12);
    const fusion = 2 * 4 * 16 * 12;
    const head = (classes: number) => 13 * classes;
    expect(
      stages.map(({ name, epochs, trainableParameters }) => [name, epochs, trainableParameters]),
    ).toEqual([
      ['adapter-0', 10, adapters + head(2)],
      ['adapter-1', 10, adapters + head(2)],
      ['fusion', 10, fusion + head(4)],
    ]);
    expect(stages[0]!.steps).toBe(10 * 3);
    expect(stages[2]!.steps).toBe(10 * 6);
  });

  test('the frozen prefix is kept where a stage of a method reads a frozen backbone, and only there', () => {
    const kept = [...records].filter(([, record]) => trainingOf(record).cache !== null).map(([name]) => name);
    // AdapterFusion keeps what comes before its first adapter, in the stages that train single adapters.
    expect(kept).toEqual(['linear-probe', 'adapter-fusion', 'kora-chain']);
  });

  test('what comes after a phase never changes its numbers', async () => {
    const alone = await runTinyCell({
      method: lora as MethodDefinition,
      backend,
      training: { epochs: 10, learningRate: 0.02 },
      data: { source: source() },
    });
    expect(evaluationOf(alone)).toEqual(evaluationOf(records.get('lora')!));
    expect(alone.phases).toHaveLength(1);
  });
});

test('what a stage trains on a part of the classes is what the next stage starts from', async () => {
  const shift = (trainsEarly: boolean) =>
    defineMethod({
      name: 'shift',
      description: 'Adds a vector to what the first block’s MLP gives.',
      source: 'this test',
      options: z.strictObject({}),
      parameters: ({ width }) => [{ name: 'shift', shape: [width], init: { kind: 'zeros' } }],
      stages: () => [
        {
          name: 'early',
          trains: () => trainsEarly,
          share: 0.5,
          classPart: { index: 0, of: 2 },
        },
        { name: 'late', trains: () => false, share: 1 },
      ],
      attach: ({ parameter }) => ({
        value: ({ name, value }) => (name === 'blocks.0.mlp.fc2' ? add(value, parameter('shift')) : value),
      }),
    }) as MethodDefinition;
  const data = { source: memoryDataset({ train: 32, test: 12, classes: 4 }) };
  const run = (method: MethodDefinition) => runTinyCell({ method, data, training: { epochs: 4 } });
  const [untouched, never, early] = [
    await run(linearProbe as MethodDefinition),
    await run(shift(false)),
    await run(shift(true)),
  ];
  expect(ckaOf(never).biased).toEqual(ckaOf(untouched).biased);
  expect(ckaOf(early).biased).not.toEqual(ckaOf(untouched).biased);
});
