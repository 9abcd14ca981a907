import type { DeviceProbe } from '@kora-bench/core/backend';
import { loadKind } from '../../registry/registry.js';

/* The program of the process in which `doctor` tries one backend. */

export interface ProbeJob {
  readonly backend: string;
  /** Packages that register more backends. */
  readonly plugins: readonly string[];
}

export interface ProbeMessage {
  readonly probes: readonly DeviceProbe[];
}

async function probe({ backend, plugins }: ProbeJob): Promise<void> {
  const probes = await (await loadKind('backends', plugins)).get(backend)!.probe();
  const message: ProbeMessage = { probes };
  // An engine may keep the process alive, so it ends as soon as the answer is out. Closing the channel first
  // tells the parent to kill it where a driver does not even let it exit.
  process.send?.(message, () => process.disconnect());
}

process.on('disconnect', () => process.exit());
process.once('message', (job: ProbeJob) => void probe(job));
