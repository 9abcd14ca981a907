import { createHash } from 'node:crypto';
import { noiseByTurns } from '@kora-bench/comparison';
import { compareRuns } from '../compare/compare-runs.js';
import { merged } from '../compare/confirm.js';
import type { NoiseOf, RunComparison } from '../compare/run-comparison.js';
import type { ComparedSide } from '../compare/sources.js';
import { canonicalJson } from '../input/json.js';
import type { ComparedCell } from '../measures/compared-cell.js';
import { nameOf } from '../measures/compared-cell.js';
import type { Measure } from '../measures/measures.js';
import { measuresOfThroughput, unfinished } from '../measures/measures.js';
import { testbedOf } from '../measures/testbed.js';
import type { AbFile, AbMeasurement, AbSide } from './ab-measurements.js';

export interface AbOptions {
  /** Whether a loss of speed fails, as where nothing else is asked. */
  readonly speedGates: boolean;
}

/** Fewer measurements of a side cannot reach p < 0.01, so that they confirm nothing. */
const fewestRounds = 5;

/**
 * Compares what was measured by turns: Mann-Whitney on the measurements of either side, a change beyond the noise that
 * these have shown, Holm over all, and "worse" only where the confirmation shows it again.
 */
export async function compareAb(file: AbFile, options: AbOptions): Promise<RunComparison> {
  const first = await comparePart(file, 'comparison', options);
  const units = suspectedUnits(file, first);
  const again = file.measurements.filter(({ part }) => part === 'confirmation');
  const rounds = (unit: string, wanted: AbSide) =>
    roundsOf(again.filter(({ unit: own, side }) => own === unit && side === wanted));
  const holds = units.every((unit) => Math.min(rounds(unit, 'base'), rounds(unit, 'head')) >= fewestRounds);
  if (again.length === 0 || !holds) return first;
  return merged(first, await comparePart(file, 'confirmation', options));
}

/** In how many rounds measurements were made: one call may tell of several cells. */
export const roundsOf = (measurements: readonly AbMeasurement[]) =>
  new Set(measurements.map(({ round }) => round)).size;

/** The units that have something that a confirmation has to show again. */
export function suspectedUnits({ measurements }: AbFile, { rows }: RunComparison): readonly string[] {
  const suspects = new Set(
    rows.filter(({ unconfirmed }) => unconfirmed === 'worse').map(({ configuration }) => configuration),
  );
  const found = measurements.filter((measurement) => suspects.has(configurationOf(measurement)));
  return [...new Set(found.map(({ unit }) => unit))];
}

async function comparePart(
  file: AbFile,
  part: AbMeasurement['part'],
  options: AbOptions,
): Promise<RunComparison> {
  const sides = { base: sideOf(file, part, 'base', options), head: sideOf(file, part, 'head', options) };
  return compareRuns(sides.base, sides.head, { noiseOf: noiseWithin(sides) });
}

/** Every measurement is a cell of its own, with its round where a run has its seed. */
function sideOf(
  file: AbFile,
  part: AbMeasurement['part'],
  side: AbSide,
  { speedGates }: AbOptions,
): ComparedSide {
  const { name, commit, dirty } = file[side];
  const own = file.measurements.filter((one) => one.part === part && one.side === side);
  const cellOf = (measurement: AbMeasurement, measures: readonly Measure[]): ComparedCell => {
    const { method: label, model, backend, device, round: seed, startedAt } = measurement;
    const configuration = configurationOf(measurement);
    const known = { label, model, backend, device, seed, configuration, startedAt, commit, dirty, measures };
    return {
      ...known,
      name: nameOf({ label, model, backend, device }),
      settings: new Map(Object.entries(settingsOf(measurement)).map(([key, value]) => [key, String(value)])),
      testbed: testbedOf(file.machine),
      failure: null,
      data: new Map(),
      source: null,
    };
  };
  const failures = file.failures.filter((failure) => failure.side === side);
  // Where the other side could be measured, this one is there too, as what did not finish.
  const missing = failures.flatMap(({ unit, message }) =>
    own.some((one) => one.unit === unit)
      ? []
      : file.measurements
          .filter((one) => one.part === part && one.unit === unit && one.side !== side && one.round === 0)
          .map((other) => ({ ...cellOf(other, [unfinished]), failure: message })),
  );
  return {
    name,
    runDir: null,
    cells: [...own.map((one) => cellOf(one, measuresOfThroughput(one, { speedGates }))), ...missing],
    problems: failures.map(({ unit, message }) => `${unit} failed: ${message}`),
  };
}

function settingsOf({ method, model, backend, device, batch }: AbMeasurement) {
  return { method, model, backend, device, batch };
}

function configurationOf(measurement: AbMeasurement): string {
  return createHash('sha256')
    .update(canonicalJson(settingsOf(measurement)))
    .digest('hex');
}

/** What the measurements show of the machine's noise. */
function noiseWithin(sides: Readonly<Record<AbSide, ComparedSide>>): NoiseOf {
  const valuesOf = (side: AbSide, configuration: string, key: string) =>
    sides[side].cells
      .filter((cell) => cell.configuration === configuration)
      .flatMap(({ measures }) => measures.find((measure) => measure.key === key)?.value ?? []);
  return ({ configuration }, key) =>
    noiseByTurns(valuesOf('base', configuration, key), valuesOf('head', configuration, key));
}
