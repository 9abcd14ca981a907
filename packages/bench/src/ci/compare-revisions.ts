import { join } from 'node:path';
import { KoraError } from '@kora-bench/core/errors';
import { compareAb } from '../ab/compare-ab.js';
import type { AbAsked } from '../ab/run-ab.js';
import { runAb, unitsOf } from '../ab/run-ab.js';
import { compareRuns } from '../compare/compare-runs.js';
import { merged } from '../compare/confirm.js';
import type { RunComparison } from '../compare/run-comparison.js';
import { readSide } from '../compare/sources.js';
import type { Revision } from '../revisions/open-revision.js';
import { runSuite } from './run-suite.js';

export interface RevisionsSettings {
  readonly base: Revision;
  readonly head: Revision;
  /** Of `run`. */
  readonly flags: readonly string[];
  /** What is measured of speed. */
  readonly asked: AbAsked;
  /** The folder of all that is left. */
  readonly out: string;
  /** Measurements of speed on each side; 0 for none. */
  readonly speedRounds: number;
  readonly speedMinutes: number;
  readonly stop: AbortSignal;
  readonly tell: (text: string) => void;
}

/** What a change did to the results, and to speed and memory. */
export interface RevisionsComparison {
  readonly results: RunComparison;
  /** Null where it was not measured. */
  readonly speed: RunComparison | null;
}

/**
 * Runs a suite on both revisions on this machine, and compares; then measures speed and memory by turns. What is worse
 * on a gating measure is run once more, and counts where it is worse again. Speed informs alone: machines of CI are shared.
 */
export async function compareRevisions(settings: RevisionsSettings): Promise<RevisionsComparison> {
  const { base, head, flags, out, stop, tell } = settings;
  const folder = { base: join(out, 'base'), head: join(out, 'head'), again: join(out, 'head-again') };
  const shared = { flags, stop, tell };
  await runSuite({ ...shared, revision: base, out: folder.base });
  await runSuite({ ...shared, revision: head, out: folder.head });
  const before = { ...(await readSide(folder.base, { checkout: base.root })), name: base.name };
  const compared = async (path: string) =>
    compareRuns(before, { ...(await readSide(path, { checkout: head.root })), name: head.name });
  let results = await compared(folder.head);
  if (results.failed) {
    tell('Something is worse: running the suite with the head once more.');
    await runSuite({ ...shared, revision: head, out: folder.again });
    results = merged(results, await compared(folder.again));
  }
  if (settings.speedRounds === 0) return { results, speed: null };
  try {
    return { results, speed: await compareSpeed(settings) };
  } catch (error) {
    if (!(error instanceof KoraError) || stop.aborted) throw error;
    tell(error.explain());
    const problems = [...results.problems, `speed and memory were not measured: ${error.message}`];
    return { results: { ...results, problems }, speed: null };
  }
}

async function compareSpeed(settings: RevisionsSettings): Promise<RunComparison> {
  const { base, head, asked, out, speedRounds, speedMinutes, stop, tell } = settings;
  tell('Measuring speed and memory by turns ...');
  const file = await runAb({
    base,
    head,
    units: await unitsOf(asked, head),
    rounds: speedRounds,
    minutes: speedMinutes,
    out: join(out, 'speed.json'),
    speedGates: false,
    stop,
    tell,
  });
  return compareAb(file, { speedGates: false });
}
