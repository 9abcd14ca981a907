import { statfs } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import type { DataContext } from '@kora-bench/core/data';
import { InputError } from '@kora-bench/core/errors';
import { sizeOf } from '@kora-bench/core/graph';
import type { Architecture } from '@kora-bench/core/nn';
import { tokenCount } from '@kora-bench/core/nn';
import type { RunConfig } from '../config/run-config.js';
import { duration } from '../input/duration.js';
import { runChild } from '../orchestrator/child-process.js';
import { evaluationsOf } from '../phases/planned-evaluations.js';
import type { PlannedMethod } from '../plan/resolve-config.js';
import type { Expectation } from '../progress/run-clock.js';
import { kindOf } from '../progress/run-clock.js';
import type { Cell } from '../records/record-schema.js';
import { megabytes, plural } from '../table/text-table.js';
import type { CellKind, EstimateJob, EstimateMessage, KindEstimate } from './estimate-process.js';

/** What a run will take. */
export interface RunEstimate {
  readonly cells: number;
  /** Of all cells one after the other, with nothing in the cache; null where it was not measured. */
  readonly seconds: number | null;
  /** Why it was not measured: the run is too small to be worth it, or trying out its programs failed. */
  readonly unmeasured: 'small' | 'failed' | null;
  /** Kinds of cells, which differ in more than their seed, and how many of them were tried out. */
  readonly kinds: number;
  readonly measuredKinds: number;
  /** Of kept features in the cache folder, at most; null where it was not counted. */
  readonly featureBytes: number | null;
  /** Of records, scores and kept weights in the run folder, about; null where it was not counted. */
  readonly recordBytes: number | null;
  readonly free: {
    readonly cacheBytes: number | null;
    readonly runBytes: number | null;
  };
  /** How long each cell takes: seconds where measured, else in proportion by images and geometry. */
  readonly expected: Expectation;
}

export interface EstimateSettings extends DataContext {
  readonly config: RunConfig;
  /** Those still to be run. */
  readonly cells: readonly Cell[];
  readonly planned: readonly PlannedMethod[];
  readonly runDir: string;
  readonly stop?: AbortSignal;
  /** Measure a small run too, although that costs much of it. */
  readonly always?: boolean;
}

/** No more than this share of a run goes into finding out how long it takes. */
const share = 0.03;
/** Starting a process, opening the data and tracing take about so long, seconds. */
const overhead = 6;
/** Finding out is given up after so long, or what it should cost at most if that is more, seconds. */
const longest = 180;

const entry = new URL('./estimate-process.js', import.meta.url);

/** Measures what a run will take; what is too small to be worth it, or fails, is not measured. */
export async function estimateRun(settings: EstimateSettings): Promise<RunEstimate> {
  const { config, cells, dataDir, cacheDir, runDir, stop, always = false } = settings;
  const kinds = kindsOf(cells);
  const free = { cacheBytes: await freeBytes(cacheDir), runBytes: await freeBytes(runDir) };
  const least = leastSeconds(settings);
  const about = total(least);
  const isSmall = !always && overhead > share * about;
  const found = isSmall
    ? undefined
    : await ask(
        { config, kinds, dataDir, cacheDir, share },
        1000 * Math.max(longest, 2 * share * about),
        stop,
      );
  if (found === undefined) {
    return {
      cells: cells.length,
      seconds: null,
      unmeasured: isSmall ? 'small' : 'failed',
      kinds: kinds.length,
      measuredKinds: 0,
      featureBytes: null,
      recordBytes: null,
      free,
      expected: { byCell: least, inSeconds: false },
    };
  }
  return { ...sumUp(cells, kinds, found), free };
}

async function ask(
  job: EstimateJob,
  totalMs: number,
  stop: AbortSignal | undefined,
): Promise<EstimateMessage | undefined> {
  let told: EstimateMessage | undefined;
  await runChild({
    entry,
    job,
    limits: { totalMs },
    ...(stop && { stop }),
    onMessage: (message) => {
      told = message as EstimateMessage;
    },
  });
  return told?.kinds.some(({ measured }) => measured) ? told : undefined;
}

/** Each kind once, with its first cell. */
function kindsOf(cells: readonly Cell[]): CellKind[] {
  const kinds = new Map<string, CellKind>();
  for (const cell of cells) {
    const key = kindOf(cell);
    const kind = kinds.get(key);
    kinds.set(key, { cell: kind?.cell ?? cell, count: (kind?.count ?? 0) + 1 });
  }
  return [...kinds.values()];
}

function sumUp(
  cells: readonly Cell[],
  kinds: readonly CellKind[],
  found: EstimateMessage,
): Omit<RunEstimate, 'free'> {
  const byKind = new Map<string, KindEstimate>(
    kinds.map(({ cell }, index) => [kindOf(cell), found.kinds[index]!]),
  );
  const done = new Set<string>();
  const secondsByCell: Record<string, number> = {};
  let featureBytes = 0;
  let recordBytes = 0;
  for (const cell of cells) {
    const { seconds, shared, resultBytes } = byKind.get(kindOf(cell))!;
    let own = seconds;
    for (const [key, price] of Object.entries(shared)) {
      if (done.has(key)) continue;
      done.add(key);
      own += price.seconds;
      featureBytes += price.bytes;
    }
    secondsByCell[cell.id] = own;
    recordBytes += resultBytes + recordSize;
  }
  return {
    cells: cells.length,
    seconds: total(secondsByCell),
    unmeasured: null,
    kinds: kinds.length,
    measuredKinds: found.kinds.filter(({ measured }) => measured).length,
    featureBytes,
    recordBytes,
    expected: { byCell: secondsByCell, inSeconds: true },
  };
}

/** A record with its share of the report, bytes, about. */
const recordSize = 100_000;

/** FLOP/s that training hardly exceeds, so that a run takes at least as long as they say. */
const fastest = { core: 4e10, otherDevice: 1e13 };

const total = (byCell: Readonly<Record<string, number>>) =>
  Object.values(byCell).reduce((sum, seconds) => sum + seconds, 0);

/** A rough lower bound on what each cell takes, from its images and the backbone’s geometry alone. */
function leastSeconds({ cells, planned }: EstimateSettings): Record<string, number> {
  const flops = new Map(planned.map((method) => [`${method.model}\n${method.label}`, flopsOf(method)]));
  const least = ({ model, label, device }: Cell) => {
    const rate = device === 'cpu' ? fastest.core * availableParallelism() : fastest.otherDevice;
    return (flops.get(`${model}\n${label}`) ?? 0) / rate;
  };
  return Object.fromEntries(cells.map((cell) => [cell.id, least(cell)]));
}

/** Of a step of training, in forward passes: what its gradients cost comes on top. */
const trainingPasses = 3;

function flopsOf({ architecture, phases, trainsHeadAlone }: PlannedMethod): number {
  let images = 0;
  for (const phase of phases) {
    for (const draw of phase.draws) {
      const kept = trainsHeadAlone || phase.trains === 'head';
      images += draw.train.length * (kept ? 1 : trainingPasses * draw.training.epochs);
      for (const [first] of evaluationsOf(phase, draw)) images += first!.split.length;
    }
  }
  return images * forwardFlops(architecture);
}

function forwardFlops({ weights, tokens }: Architecture): number {
  const shapes = [...weights.values()];
  return 2 * tokenCount(tokens) * shapes.reduce((sum, shape) => sum + sizeOf(shape), 0);
}

/** Free space of the disk that a folder is or will be on; null where the system does not tell. */
async function freeBytes(path: string): Promise<number | null> {
  try {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  } catch (error) {
    const above = dirname(path);
    return (error as NodeJS.ErrnoException).code === 'ENOENT' && above !== path ? freeBytes(above) : null;
  }
}

/** The estimate in a few lines. */
export function estimateText({
  cells,
  seconds,
  unmeasured,
  kinds,
  measuredKinds,
  featureBytes,
  recordBytes,
  free,
}: RunEstimate): string {
  if (seconds === null || featureBytes === null || recordBytes === null) {
    const why =
      unmeasured === 'small'
        ? 'too little to measure beforehand'
        : 'whose steps could not be tried out beforehand';
    return `${plural(cells, 'cell')}, ${why}; the first one that ends tells how long the others take.`;
  }
  const tried =
    measuredKinds === kinds
      ? 'a few steps of each kind'
      : `a few steps of ${measuredKinds} of ${kinds} kinds`;
  const room = (bytes: number | null) => (bytes === null ? '' : ` of ${space(bytes)} free`);
  return [
    `About ${roundDuration(seconds)} for ${plural(cells, 'cell')}, by ${tried}; without analyses, and with nothing in the cache.`,
    `Disk: up to ${space(featureBytes)} of kept features${room(free.cacheBytes)}, about ${space(recordBytes)} of results${room(free.runBytes)}.`,
  ].join('\n');
}

/**
 * What to say of a disk that is too small; undefined where there is room.
 * @throws InputError where the results themselves do not fit
 */
export function checkSpace(
  { featureBytes, recordBytes, free }: RunEstimate,
  runDir: string,
): string | undefined {
  if (recordBytes !== null && free.runBytes !== null && recordBytes > free.runBytes) {
    throw new InputError('There is no room for the results of this run.', {
      where: runDir,
      expected: `about ${space(recordBytes)} free`,
      received: space(free.runBytes),
      fix: 'Free space, or choose a folder on another disk with --out.',
    });
  }
  if (featureBytes === null || free.cacheBytes === null || featureBytes <= free.cacheBytes) return undefined;
  return `Kept features may take ${space(featureBytes)}, and ${space(free.cacheBytes)} are free in the cache folder: what does not fit stays in memory, and is computed again by the next cell. Set KORA_CACHE_DIR to a folder on a larger disk.`;
}

function space(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${megabytes(Math.max(bytes, 1e6))} MB`;
}

/** As precise as it can be: `2 min`, not `2 min 07 s`. */
export function roundDuration(seconds: number): string {
  if (seconds < 90) return duration(Math.max(10, 10 * Math.round(seconds / 10)));
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 48 * 3600 ? `${(seconds / 3600).toFixed(1)} h` : `${(seconds / 86_400).toFixed(1)} days`;
}
