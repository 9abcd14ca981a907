import { describeMachine } from '../cell/environment.js';
import { loadSuite } from '../config/load-suite.js';
import { writeOutput } from '../records/run-files.js';
import type { Revision } from '../revisions/open-revision.js';
import { plural } from '../table/text-table.js';
import type { AbFile, AbSide } from './ab-measurements.js';
import { compareAb, roundsOf, suspectedUnits } from './compare-ab.js';
import type { AbUnit } from './measure-by-turns.js';
import { measureByTurns } from './measure-by-turns.js';
import { knowsFlag } from './measure-revision.js';

/** What is measured, in the words of `throughput`. */
export interface AbAsked {
  readonly suite?: string | undefined;
  /** By default those of the suite, as the next two. */
  readonly method?: readonly string[] | undefined;
  readonly backend?: readonly string[] | undefined;
  readonly model?: readonly string[] | undefined;
  /** By default the suite's. */
  readonly batchSize?: number;
  readonly classes?: number;
  /** Of each measurement, milliseconds. */
  readonly time: number;
}

export interface AbSettings {
  readonly base: Revision;
  readonly head: Revision;
  readonly units: readonly AbUnit[];
  readonly rounds: number;
  /** For all together; Infinity for as long as it takes. */
  readonly minutes: number;
  /** The file of the measurements. */
  readonly out: string;
  readonly speedGates: boolean;
  readonly stop: AbortSignal;
  readonly random?: () => number;
  readonly tell: (text: string) => void;
}

/** Every method on every backend and model, by itself: sides alternate the more closely. */
export async function unitsOf(asked: AbAsked, { folder }: Pick<Revision, 'folder'>): Promise<AbUnit[]> {
  const { suite, batchSize, classes, time } = asked;
  const { config } = await loadSuite(suite ?? 'default', false, folder);
  const methods = asked.method ?? [...new Set(config.methods.map(({ label, name }) => label ?? name))];
  const backends =
    asked.backend ??
    config.backends.map(({ name, device }) => (device === undefined ? name : `${name}:${device}`));
  const models = asked.model ?? config.models;
  const shared = [
    ...(suite === undefined ? [] : ['--suite', suite]),
    ...['--batch-size', String(batchSize ?? config.training.batchSize), '--time', String(time)],
    ...(classes === undefined ? [] : ['--classes', String(classes)]),
  ];
  return models.flatMap((model) =>
    methods.flatMap((method) =>
      backends.map((backend) => ({
        name: [
          method,
          ...(models.length > 1 ? [`with ${model}`] : []),
          ...(backends.length > 1 ? [`on ${backend}`] : []),
        ].join(' '),
        flags: ['--method', method, '--backend', backend, '--model', model, ...shared],
      })),
    ),
  );
}

/** Of the time, what the first part may take, so that there is some left to confirm with. */
const firstShare = 0.6;

/**
 * Measures two revisions by turns, and again what seems worse. The file holds all measurements so far, whenever this
 * ends.
 * @throws InputError where a side cannot be measured at all
 */
export async function runAb(settings: AbSettings): Promise<AbFile> {
  const { base, head, units, rounds, minutes, out, stop, random, speedGates, tell } = settings;
  const named = ({ name, commit, dirty }: Revision) => ({ name, commit, dirty });
  let file: AbFile = {
    schemaVersion: 1,
    kind: 'ab',
    createdAt: new Date().toISOString(),
    base: named(base),
    head: named(head),
    machine: describeMachine(),
    measurements: [],
    failures: [],
  };
  const write = async (changed: AbFile) => {
    file = changed;
    await writeOutput(out, `${JSON.stringify(file)}\n`);
  };
  const began = performance.now();
  const within = (share: number) => performance.now() - began < share * minutes * 60_000;
  const sides: Readonly<Record<AbSide, Revision>> = { base, head };
  const shared = {
    sides,
    rounds,
    stop,
    tell,
    ...(random && { random }),
    measured: (one: AbFile['measurements'][number]) =>
      write({ ...file, measurements: [...file.measurements, one] }),
    failed: (one: AbFile['failures'][number]) => write({ ...file, failures: [...file.failures, one] }),
  };
  await write(file);
  // Both sides are to do the same work.
  const noPeak = (await knowsFlag(base, '--no-peak')) && (await knowsFlag(head, '--no-peak'));
  const asked = units.map((unit) => (noPeak ? { ...unit, flags: [...unit.flags, '--no-peak'] } : unit));
  const first = { part: 'comparison' as const, mayStart: () => within(firstShare) };
  const isWhole = await measureByTurns({ ...shared, ...first, units: asked });
  if (stop.aborted) return file;
  if (!isWhole) tell(`The time is up after ${roundsText(file)}.`);
  const suspects = new Set(suspectedUnits(file, await compareAb(file, { speedGates })));
  if (suspects.size === 0) return file;
  tell(`Measuring again what seems worse: ${[...suspects].join(', ')}.`);
  const again = { part: 'confirmation' as const, mayStart: () => within(1) };
  const suspected = asked.filter(({ name }) => suspects.has(name));
  if (!(await measureByTurns({ ...shared, ...again, units: suspected })) && !stop.aborted)
    tell('The time is up before all of it was measured again.');
  return file;
}

/** `15 rounds`, or `4 to 5 rounds` where the end came in the middle of one. */
export function roundsText({ measurements }: AbFile): string {
  const own = measurements.filter(({ part, side }) => part === 'comparison' && side === 'base');
  const units = [...new Set(own.map(({ unit }) => unit))];
  const counts = units.map((unit) => roundsOf(own.filter((one) => one.unit === unit)));
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  if (counts.length === 0) return 'no round';
  return least === most ? plural(most, 'round') : `${least} to ${most} rounds`;
}
