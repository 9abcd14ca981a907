import { BackendError } from '@kora-bench/core/errors';
import { runDriverCheck } from '@kora-bench/platform-node/driver-check';
import type { DeviceRequest } from './gpu.js';
import { driverFix } from './gpu.js';
import type { CheckJob, CheckMessage } from './node-driver-check-process.js';
import type { MissingFeatures, Survey } from './survey.js';

const entry = new URL('./node-driver-check-process.js', import.meta.url);

/**
 * Checks the adapter and its features in a child process. When a feature crashes or hangs the driver, the check
 * is repeated without it.
 * @param skipped features that are not checked
 * @throws BackendError when there is no adapter, or its driver does not even work without optional features
 */
export async function checkDriver(
  { powerPreference }: Pick<DeviceRequest, 'powerPreference'>,
  skipped: MissingFeatures,
): Promise<Survey> {
  const job: CheckJob = { skipped, ...(powerPreference && { powerPreference }) };
  const {
    stdout,
    stderr,
    failure = 'the process ended without an answer',
  } = await runDriverCheck(entry, [JSON.stringify(job)]);
  const last = lastMessage(stdout);
  switch (last?.type) {
    case 'found':
      return last.survey;
    case 'checking':
      return checkDriver(
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

function lastMessage(stdout: string): CheckMessage | undefined {
  // A process that was killed may leave half a line.
  const lines = stdout.split('\n').slice(0, -1);
  const last = lines.at(-1);
  return last === undefined ? undefined : (JSON.parse(last) as CheckMessage);
}

/**
 * Why there is no adapter and what helps, from what Dawn printed while it looked for one; nothing when it
 * printed nothing that is known.
 */
function explainMissingAdapter(log: string): { readonly received?: string; readonly fix?: string } {
  const loader = /Couldn't load Vulkan[^\n]*/.exec(log);
  if (loader) {
    const fix = 'Install the Vulkan loader (Debian and Ubuntu: libvulkan1) and a driver for the GPU.';
    return { received: loader[0], fix };
  }
  // The first line of a warning says what the driver lacks, the second that this refused its adapter.
  const refused = /^(?:Warning: )?([^\n]+)\n - While initializing adapter/m.exec(log);
  if (refused) {
    return {
      received: `a driver that is too old: ${refused[1]}`,
      fix:
        'Update the driver. For Mesa on Debian 12, whose 22.3 is too old, install mesa-vulkan-drivers 25 from ' +
        'bookworm-backports.',
    };
  }
  return /Found no drivers/.test(log) ? { received: 'no Vulkan driver' } : {};
}
