import { existsSync } from 'node:fs';
import type { Backend } from '@kora-bench/core/backend';
import type { ImageSplit, Preprocessing } from '@kora-bench/core/data';
import type { HostTensor, HostTensors } from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';
import { joinFlat, optimizerFeeds } from '@kora-bench/core/training';
import { firstBatch, openSession } from '@kora-bench/trainer';
import { hashesPath } from '../cache/content-hashes.js';
import { startValue } from '../throughput/training-step.js';
import type { CellWork, CountedProgram, Pass } from './count-work.js';

/* From counted work to seconds, by what a few steps of its programs take here. */

/** What a program takes on an engine. */
export interface ProgramTime {
  /** Tracing is not part of it. */
  readonly compileSeconds: number;
  readonly stepSeconds: number;
}

/** Milliseconds after which a program has run long enough to be told. */
const enough = 150;

/** Compiles a program and runs it a few times on arbitrary values. */
export async function timeProgram(backend: Backend, counted: CountedProgram): Promise<ProgramTime> {
  const { program, layout, optimizer, parameters, batchSize } = counted;
  const weights = new Map(parameters.map((parameter) => [parameter.name, startValue(parameter)]));
  const began = performance.now();
  const session = await openSession({
    backend,
    program,
    weights,
    ...(layout && { parameters: joinFlat((name) => weights.get(name)!.data, layout) }),
    ...(optimizer && { optimizer }),
  });
  try {
    const compileSeconds = (performance.now() - began) / 1000;
    const feeds = arbitraryFeeds(counted);
    const fetch = optimizer === undefined ? [...program.outputs.keys()] : [];
    const step = async (number: number) => {
      const from = performance.now();
      await session.run(
        { ...feeds, ...(optimizer && optimizerFeeds(optimizer, number, 1e-4)) },
        fetch.length > 0 ? fetch : ['loss'],
      );
      return performance.now() - from;
    };
    // The first run may still compile; one that takes long is priced from it alone.
    let spent = await step(0);
    let steps = 1;
    if (spent < 10 * enough) {
      for (spent = 0, steps = 0; steps < 2 || (spent < enough && steps < 20); steps++)
        spent += await step(steps + 1);
    }
    return { compileSeconds, stepSeconds: spent / steps / 1000 };
  } finally {
    await session.close();
  }

  function arbitraryFeeds({ program: { nodes } }: CountedProgram): HostTensors {
    const feeds: Record<string, HostTensor> = {};
    for (const { op, shape, dtype } of nodes) {
      if (op.kind !== 'feed') continue;
      const size = sizeOf(shape);
      const data = dtype === 'f32' ? new Float32Array(size).fill(1 / batchSize) : new Int32Array(size);
      feeds[op.name] = { dtype, shape, data };
    }
    return feeds;
  }
}

/** Seconds that one image takes to be read and decoded, and to be hashed. */
export interface ReadTime {
  readonly readSeconds: number;
  readonly hashSeconds: number;
}

/** Reads and hashes a few images of a split. */
export async function timeReading(split: ImageSplit, preprocessing: Preprocessing): Promise<ReadTime> {
  const count = Math.min(16, split.length);
  // The first time may unpack or index what the next ones find.
  await firstBatch(split, preprocessing, count);
  const began = performance.now();
  await firstBatch(split, preprocessing, count);
  const read = performance.now();
  await split.contentHashes(Array.from({ length: count }, (_, i) => i));
  const hashed = performance.now();
  return { readSeconds: (read - began) / count / 1000, hashSeconds: (hashed - read) / count / 1000 };
}

/** What was measured on one engine. */
export interface Prices {
  readonly programs: ReadonlyMap<CountedProgram, ProgramTime>;
  /** By split and preprocessing, see {@link readingKey}. */
  readonly reading: ReadonlyMap<string, ReadTime>;
}

export const readingKey = ({ dataset }: ImageSplit, preprocessing: Preprocessing) =>
  `${dataset} ${JSON.stringify(preprocessing)}`;

/** What a cell will take, apart from what it shares with others. */
export interface CellPrice {
  readonly seconds: number;
  /** What is done once for all cells that name it alike, by that name. */
  readonly shared: Readonly<Record<string, { readonly seconds: number; readonly bytes: number }>>;
}

/**
 * Prices counted work. A program that was not tried counts by its FLOPs, at the rate of those that were.
 * @param cacheDir where hashes are kept that were made before
 */
export function priceWork(
  { passes, hashed }: CellWork,
  { programs, reading }: Prices,
  cacheDir: string,
): CellPrice {
  const timeOf = estimator(programs);
  let seconds = 0;
  const shared: Record<string, { seconds: number; bytes: number }> = {};
  for (const pass of passes) {
    const own = passSeconds(pass, timeOf(pass.program), reading);
    if (pass.kept === undefined) seconds += own;
    else shared[pass.kept.key] = { seconds: own, bytes: pass.kept.bytes };
  }
  for (const split of hashed) {
    if (existsSync(hashesPath(split, cacheDir))) continue;
    const known = [...reading].find(([key]) => key.startsWith(`${split.dataset} `))?.[1];
    shared[`hashes ${split.fingerprint}`] = {
      seconds: split.length * (known?.hashSeconds ?? 0),
      bytes: 65 * split.length,
    };
  }
  return { seconds, shared };
}

function passSeconds(
  { split, preprocessing, steps, reads }: Pass,
  { compileSeconds, stepSeconds }: ProgramTime,
  reading: Prices['reading'],
): number {
  const read = reading.get(readingKey(split, preprocessing))?.readSeconds ?? 0;
  return compileSeconds + steps * stepSeconds + reads * read;
}

function estimator(programs: Prices['programs']): (program: CountedProgram) => ProgramTime {
  const times = [...programs];
  const mean = (of: (time: ProgramTime) => number) =>
    times.reduce((sum, [, time]) => sum + of(time), 0) / Math.max(1, times.length);
  // The largest tell the rate best: small ones are all overhead.
  const rate = times.reduce(
    (best, [{ flops }, { stepSeconds }]) => (flops > best.flops ? { flops, seconds: stepSeconds } : best),
    { flops: 0, seconds: 0 },
  );
  const secondsPerFlop = rate.flops === 0 ? 0 : rate.seconds / rate.flops;
  const fastest = Math.min(...times.map(([, { stepSeconds }]) => stepSeconds));
  return (program) =>
    programs.get(program) ?? {
      compileSeconds: mean(({ compileSeconds }) => compileSeconds),
      stepSeconds: Math.max(Math.min(fastest, 0.001), program.flops * secondsPerFlop),
    };
}
