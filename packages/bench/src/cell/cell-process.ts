import { InputError } from '@kora-bench/core/errors';
import type { ProgressEvent } from '@kora-bench/trainer';
import { cellId, pluginsOf } from '../plan/plan-cells.js';
import { throttleSteps } from '../progress/pace.js';
import { writeRecord } from '../records/record-files.js';
import type { FailedRecord } from '../records/record-schema.js';
import { describeFailure } from '../records/record-schema.js';
import type { Registry } from '../registry/registry.js';
import { loadRegistry } from '../registry/registry.js';
import type { CellJob } from './run-cell.js';
import { openResources, runCell } from './run-cell.js';

/*
 * The program of a cell's own process: takes one job over IPC, reports progress, writes the record and
 * ends. A crash here costs this cell alone.
 */

/** What this process tells its parent. */
export type CellMessage =
  | { readonly type: 'progress'; readonly event: ProgressEvent }
  | { readonly type: 'failed'; readonly error: FailedRecord['error'] };

function tell(message: CellMessage): void {
  if (process.connected) process.send?.(message);
}

async function work(job: CellJob): Promise<void> {
  try {
    const registry = await loadRegistry(job.config.plugins);
    checkCode(job, registry);
    const resources = await openResources(job, registry);
    const record = await runCell(
      job,
      resources,
      throttleSteps((event) => tell({ type: 'progress', event })),
    );
    await writeRecord(job.runDir, record);
    await resources.backend.dispose();
    process.exitCode = 0;
  } catch (error) {
    // The parent keeps what is written here in the cell's log.
    console.error(error);
    tell({ type: 'failed', error: describeFailure(error) });
    process.exitCode = 1;
  } finally {
    if (process.connected) process.disconnect();
  }
}

/**
 * Plugins can be edited while a run goes on, between two of its cells: the result would not be what its id says.
 * @throws InputError when the code is another than when the cell was planned
 */
function checkCode({ cell, config }: CellJob, registry: Registry): void {
  const { id, ...settings } = cell;
  const used = pluginsOf(cell, config, registry);
  if (used.length === 0 || cellId(settings, config, registry) === id) return;
  throw new InputError('The code of a plugin was changed after the run had started.', {
    where: used.map(({ name }) => name).join(', '),
    expected: `the code that ${id} was planned with`,
    received: 'other code',
    fix: 'Go on with --resume, which runs again what was made by other code.',
  });
}

// A parent that is gone, however it went, needs no result.
process.on('disconnect', () => process.exit());
process.once('message', (job: CellJob) => void work(job));
