import { measuresOf } from '@kora-bench/bench';
import type { ProgramMemory } from '@kora-bench/core/backend';
import type { MethodDefinition } from '@kora-bench/core/peft';
import linearProbe from '@kora-bench/method-linear-probe';
import { expect, test } from 'vitest';
import { tellingBackend } from './telling-backend.js';
import { codesOf, findingOf, runTinyCell, trainingOf } from './tiny-cell.js';

const method = linearProbe as MethodDefinition;
const memory: ProgramMemory = {
  plannedBytes: 120,
  lowerBoundBytes: 100,
  weightBytes: 40,
  stateBytes: 60,
  parts: 1,
};

test('a record keeps what the training step takes of the device and starts on it, where the backend tells', async () => {
  const told = await runTinyCell({ method, backend: await tellingBackend(memory, 42) });
  expect(trainingOf(told).deviceMemory).toEqual(memory);
  const dispatches = measuresOf(told).find(({ key }) => key === 'source/dispatchesPerStep');
  expect(dispatches).toMatchObject({ value: 42, kind: 'count', gating: true, direction: 'lower' });
  expect(codesOf(told)).not.toContain('BATCH_SPLIT@source');
  const untold = await runTinyCell({ method });
  expect(trainingOf(untold)).not.toHaveProperty('deviceMemory');
  expect(trainingOf(untold)).not.toHaveProperty('dispatchesPerStep');
});

test('a record says that a batch was worked on in parts', async () => {
  const record = await runTinyCell({ method, backend: await tellingBackend({ ...memory, parts: 4 }) });
  const { severity, message, evidence } = findingOf(record, 'BATCH_SPLIT', 'source');
  expect(severity).toBe('info');
  expect(message).toMatch(/batch of 8 .* 4 parts/);
  expect(evidence).toEqual({ ...memory, parts: 4 });
});
