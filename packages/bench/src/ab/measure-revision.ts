import { InputError } from '@kora-bench/core/errors';
import { z } from 'zod';
import { programMemorySchema } from '../records/phase-record-schema.js';
import type { Revision } from '../revisions/open-revision.js';
import { runCommand } from '../revisions/run-command.js';
import type { AbMeasurement } from './ab-measurements.js';

/** What every version of `throughput --json` tells, and this one needs. */
const outputSchema = z.object({
  cells: z.array(
    z.object({
      backend: z.string(),
      device: z.string(),
      method: z.string(),
      model: z.string(),
      batch: z.int().min(1),
      imagesPerSecond: z.number().positive(),
      peakMemoryBytes: z.int().min(0),
      deviceMemory: programMemorySchema.optional().catch(undefined),
      dispatches: z.int().min(0).optional().catch(undefined),
    }),
  ),
  failed: z.array(z.object({ method: z.string(), error: z.object({ message: z.string() }) })).optional(),
});

const errorSchema = z.object({ error: z.object({ message: z.string() }) });

/** Whether a revision's `throughput` has a flag. */
export async function knowsFlag({ bin, folder }: Revision, flag: string): Promise<boolean> {
  const args = [bin, 'throughput', '--help'];
  const { stdout } = await runCommand({ command: process.execPath, args, cwd: folder });
  return stdout.includes(`${flag} `);
}

/** What one call of a revision's `throughput` gave. */
export type Told =
  | {
      readonly cells: readonly Omit<
        AbMeasurement,
        'part' | 'round' | 'side' | 'order' | 'unit' | 'startedAt'
      >[];
    }
  | { readonly failure: string };

/**
 * Measures with a revision's own command line, in a separate process.
 * @param flags of `throughput`
 * @returns null where it was stopped
 * @throws InputError where the revision has no `throughput` that prints JSON
 */
export async function measureRevision(
  revision: Revision,
  flags: readonly string[],
  stop?: AbortSignal,
): Promise<Told | null> {
  const end = await runCommand({
    command: process.execPath,
    args: [revision.bin, 'throughput', ...flags, '--json'],
    cwd: revision.folder,
    ...(stop && { stop }),
  });
  if (stop?.aborted) return null;
  const printed = parsed(end.stdout);
  const output = outputSchema.safeParse(printed);
  if (output.success) {
    const { cells, failed = [] } = output.data;
    if (failed.length > 0) return { failure: failed[0]!.error.message };
    if (cells.length > 0)
      return {
        cells: cells.map(({ deviceMemory, dispatches, ...cell }) => ({
          ...cell,
          ...(deviceMemory && { deviceMemory }),
          ...(dispatches !== undefined && { dispatches }),
        })),
      };
  }
  const refusal = errorSchema.safeParse(printed);
  if (refusal.success) return { failure: refusal.data.error.message };
  throw new InputError(`The revision ${revision.name} does not say how fast it is.`, {
    where: `${revision.bin} throughput ${flags.join(' ')} --json, in ${revision.folder}`,
    expected: 'JSON with "cells", each with "imagesPerSecond" and "peakMemoryBytes"',
    received: [
      `exit code ${end.code ?? 'unknown'}; the end of what it printed:`,
      ...end.output.trimEnd().split('\n').slice(-8),
    ].join('\n    '),
    fix: 'Compare with a revision that has this command, or name another command line with --bin.',
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
