import onnxruntime from '@kora-bench/backend-ort';
import { measureThroughput, throughputCellSchema } from '@kora-bench/bench';
import type { MethodDefinition } from '@kora-bench/core';
import lora from '@kora-bench/method-lora';
import { toyVit } from '@kora-bench/testing/vit-configs';
import { expect, test } from 'vitest';

test('throughput stands beside the peak of the same backend', async () => {
  const backend = await onnxruntime.create('cpu', onnxruntime.options.parse({}));
  const cell = await measureThroughput({
    backend,
    method: { definition: lora as MethodDefinition, options: lora.options.parse({}) },
    label: 'LoRA r=8',
    model: toyVit,
    classes: 5,
    batch: 4,
    milliseconds: 100,
  });
  await backend.dispose();
  expect(throughputCellSchema.parse(JSON.parse(JSON.stringify(cell)))).toEqual(cell);
  expect(cell).toMatchObject({ backend: 'onnxruntime', method: 'LoRA r=8', model: toyVit.name, batch: 4 });
  for (const value of [cell.imagesPerSecond, cell.gflopsPerSecond, cell.shareOfPeak, cell.peakMemoryBytes]) {
    expect(value).toBeGreaterThan(0);
    expect(value).toBeLessThan(Number.POSITIVE_INFINITY);
  }
  expect(cell.shareOfPeak).toBeCloseTo(cell.gflopsPerSecond / cell.peakGflopsPerSecond, 12);
  expect(cell.deviceMemory).toBeUndefined();
  // A model this small cannot come near the rate of large matrix products.
  expect(cell.shareOfPeak).toBeLessThan(1);
}, 30_000);
