import { MemoryError } from '../device/memory-error.js';
import { requireBufferSize } from '../device/transfer.js';
import type { Schedule } from '../schedule/schedule.js';
import type { MemoryPlan } from './plan-memory.js';
import { bytesOf } from './plan-memory.js';

/**
 * @param limitBytes what a program may take with its states; absent: whatever the device has
 * @throws MemoryError naming the value at fault when the device cannot run the schedule in one buffer per
 *   value and one dispatch per kernel, or the limit is exceeded
 */
export function requireFit(
  device: GPUDevice,
  { values, before, body, after }: Schedule,
  { buffers, weights, memory }: MemoryPlan,
  limitBytes: number | undefined,
): void {
  for (const value of weights) requireBufferSize(device, bytesOf(value), value.label);
  for (const {
    bytes,
    places: [largest],
  } of buffers)
    requireBufferSize(device, bytes, values[largest!.id]!.label);
  for (const { code, label } of [...before, ...(body?.steps ?? []), ...after])
    requireGrid(device, code.workgroups, label);

  const { plannedBytes, weightBytes, stateBytes } = memory;
  const all = plannedBytes + weightBytes + stateBytes;
  if (limitBytes === undefined || all <= limitBytes) return;
  const largest = [...weights, ...buffers.map((buffer) => values[buffer.places[0]!.id]!)].sort(
    (a, b) => bytesOf(b) - bytesOf(a),
  )[0];
  const largestBytes =
    largest === undefined ? '' : `; the largest is the ${largest.label} with ${bytesOf(largest)} bytes`;
  throw new MemoryError('The program takes more memory than it may.', {
    where: 'memoryLimitBytes',
    expected: `at most ${limitBytes} bytes`,
    received: `${all} bytes: ${weightBytes} for weights, ${stateBytes} for states, ${plannedBytes} for computed values${largestBytes}`,
    fix: 'Raise the option memoryLimitBytes, or use a smaller batch or model.',
  });
}

function requireGrid({ limits }: GPUDevice, workgroups: readonly number[], label: string): void {
  const limit = limits.maxComputeWorkgroupsPerDimension;
  if (workgroups.every((count) => count <= limit)) return;
  throw new MemoryError('A kernel is too large for this GPU.', {
    where: label,
    expected: `at most ${limit} workgroups along each axis`,
    received: workgroups.join(' × '),
    fix: 'Use a smaller batch.',
  });
}
