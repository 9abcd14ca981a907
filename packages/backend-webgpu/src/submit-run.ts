import type { HostTensor, HostTensors } from '@kora-bench/core';
import type { CompiledProgram } from './build-program.js';
import { writeTensor } from './device/transfer.js';
import type { EncodedRun } from './encode-run.js';

/** Uploads the feeds of a run and submits its commands, each part of the batch on its own. */
export function submitRun(
  { device, schedule, ranges }: CompiledProgram,
  { commands }: EncodedRun,
  feeds: HostTensors,
): void {
  for (const { feed, to } of schedule.feeds) writeTensor(device, ranges.get(to)!, feeds[feed]!);
  commands.forEach((buffer, i) => {
    if (i > 0) {
      const { fed, parts } = schedule.body!;
      for (const { feed, to } of fed)
        writeTensor(device, ranges.get(to)!, blockOf(feeds[feed]!, i - 1, parts));
    }
    device.queue.submit([buffer]);
  });
}

/** Block `number` of a tensor along axis 0. */
function blockOf({ dtype, shape, data }: HostTensor, number: number, parts: number): HostTensor {
  const length = data.length / parts;
  const [batch, ...others] = shape;
  const block = data.subarray(number * length, (number + 1) * length);
  return { dtype, shape: [batch! / parts, ...others], data: block };
}
