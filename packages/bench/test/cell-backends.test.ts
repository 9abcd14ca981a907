import { referenceBackend } from '@kora-bench/backend-reference';
import type { DoneRecord } from '@kora-bench/bench';
import type { MethodDefinition } from '@kora-bench/core/peft';
import lora from '@kora-bench/method-lora';
import { expect, test } from 'vitest';
import { runTinyCell, trainingOf } from './tiny-cell.js';

const lossesOf = (record: DoneRecord) =>
  trainingOf(record).stages.flatMap(({ losses }) => losses.map(({ loss }) => loss));

test('a backend with kernels for primitives alone runs a cell', async () => {
  const method = lora as MethodDefinition;
  const primitivesOnly = await referenceBackend.create('cpu', { lower: true });
  const record = await runTinyCell({ method, backend: primitivesOnly });
  const expected = await runTinyCell({ method });
  const losses = lossesOf(record);
  expect(losses).not.toEqual([]);
  expect(losses).toHaveLength(lossesOf(expected).length);
  lossesOf(expected).forEach((loss, i) => {
    expect(losses[i]).toBeCloseTo(loss, 9);
  });
});
