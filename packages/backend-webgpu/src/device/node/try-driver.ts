import { BackendError } from '@kora-bench/core';
import { runDriverCheck } from '@kora-bench/platform-node/driver-check';
import type { WebgpuOptions } from '../../options.js';
import { driverFix } from '../adapter.js';
import type { MissingFeatures, Survey } from '../survey.js';
import { explainMissingAdapter } from './explain-missing-adapter.js';
import type { TrialJob, TrialMessage } from './trial-process.js';

const entry = new URL('./trial-process.js', import.meta.url);

/**
 * Tries the adapter and its features in a process of its own. A feature that crashes or hangs the driver is
 * left out the next time.
 * @param skipped features that are not tried
 * @throws BackendError when there is no adapter, or its driver does not even work without optional features
 */
export async function tryDriver(
  { powerPreference }: Pick<WebgpuOptions, 'powerPreference'>,
  skipped: MissingFeatures,
): Promise<Survey> {
  const job: TrialJob = { skipped, ...(powerPreference && { powerPreference }) };
  const {
    stdout,
    stderr,
    failure = 'the process ended without an answer',
  } = await runDriverCheck(entry, [JSON.stringify(job)]);
  const last = lastMessage(stdout);
  switch (last?.type) {
    case 'found':
      return last.survey;
    case 'trying':
      return tryDriver(
        { powerPreference },
        { ...skipped, [last.feature]: `the driver failed when it was tried: ${failure}` },
      );
    case 'failed':
      throw new BackendError(last.message, {
        where: 'webgpu',
        received: last.received,
        ...(last.fix !== undefined && { fix: last.fix }),
        ...explainMissingAdapter(stderr),
      });
    case undefined:
      throw new BackendError('The GPU’s driver does not work.', {
        where: 'webgpu',
        received: failure,
        fix: driverFix,
      });
  }
}

function lastMessage(stdout: string): TrialMessage | undefined {
  // A process that was killed may leave half a line.
  const lines = stdout.split('\n').slice(0, -1);
  const last = lines.at(-1);
  return last === undefined ? undefined : (JSON.parse(last) as TrialMessage);
}
