import { duration } from '../input/duration.js';
import type { Revision } from '../revisions/open-revision.js';
import { rate } from '../table/text-table.js';
import type { AbFailure, AbMeasurement, AbSide } from './ab-measurements.js';
import { measureRevision } from './measure-revision.js';

/** One thing that is measured on both sides: a method on a backend. */
export interface AbUnit {
  readonly name: string;
  /** Of `throughput`. */
  readonly flags: readonly string[];
}

export interface ByTurnsSettings {
  readonly sides: Readonly<Record<AbSide, Revision>>;
  readonly units: readonly AbUnit[];
  readonly part: AbMeasurement['part'];
  readonly rounds: number;
  /** Asked before each pair. */
  readonly mayStart: () => boolean;
  readonly stop?: AbortSignal;
  /** In [0, 1); decides which side begins. */
  readonly random?: () => number;
  readonly measured: (measurement: AbMeasurement) => Promise<void>;
  readonly failed: (failure: AbFailure) => Promise<void>;
  readonly tell: (text: string) => void;
}

/**
 * Measures both sides by turns, unit by unit, so that what slows the machine down for a while slows both. Of two rounds
 * the base begins one and the head the other; chance says which. A unit that fails on a side is left out from then on.
 * @returns whether all rounds were done
 * @throws InputError where a side cannot tell its speed
 */
export async function measureByTurns(settings: ByTurnsSettings): Promise<boolean> {
  const { sides, units, part, rounds, mayStart, stop, random = Math.random, tell } = settings;
  const left = new Set(units);
  const baseBegins = new Map<AbUnit, boolean>();
  const began = performance.now();
  let done = 0;
  for (let round = 0; round < rounds; round++) {
    for (const unit of [...left]) {
      if (stop?.aborted || !mayStart()) return false;
      const begins = round % 2 === 0 ? random() < 0.5 : !baseBegins.get(unit);
      baseBegins.set(unit, begins);
      const order: readonly AbSide[] = begins ? ['base', 'head'] : ['head', 'base'];
      const pair: AbMeasurement[] = [];
      for (const side of order) {
        const startedAt = new Date().toISOString();
        const told = await measureRevision(sides[side], unit.flags, stop);
        if (told === null) return false;
        if ('failure' in told) {
          left.delete(unit);
          tell(`${unit.name} failed on the ${side}, and is not measured any more: ${told.failure}`);
          await settings.failed({ side, unit: unit.name, message: told.failure });
        } else {
          const shared = { part, round, side, order: order.indexOf(side), unit: unit.name, startedAt };
          pair.push(...told.cells.map((cell) => ({ ...shared, ...cell })));
        }
      }
      // Of a pair both or none, so that the sides stay balanced.
      const isWhole = left.has(unit) || round === 0;
      if (isWhole) for (const measurement of pair) await settings.measured(measurement);
      done++;
      const seconds = (performance.now() - began) / 1000;
      const ahead = (rounds - round) * left.size - [...left].indexOf(unit) - 1;
      if (pair.length > 0)
        tell(
          `${part === 'confirmation' ? 'Confirmation, round' : 'Round'} ${round + 1}/${rounds}: ${unit.name}: ${speeds(pair)}${ahead > 0 ? `; ${duration((seconds / done) * ahead)} left` : ''}`,
        );
    }
  }
  return true;
}

/** `base 812, head 790 images/s`. */
function speeds(pair: readonly AbMeasurement[]): string {
  const of = (wanted: AbSide) => {
    const own = pair.filter(({ side }) => side === wanted);
    return own.length === 0
      ? 'failed'
      : own.map(({ imagesPerSecond }) => rate(imagesPerSecond)).join(' and ');
  };
  return `base ${of('base')}, head ${of('head')} images/s`;
}
