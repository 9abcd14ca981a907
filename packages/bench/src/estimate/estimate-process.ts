import type { Backend } from '@kora-bench/core/backend';
import type { DataContext, ImageDataset } from '@kora-bench/core/data';
import { resolveModel } from '@kora-bench/models';
import type { RunConfig } from '../config/run-config.js';
import { openDatasets, planPhase } from '../phases/plan-phases.js';
import { resolvePhases } from '../phases/resolve-phases.js';
import type { Cell } from '../records/record-schema.js';
import type { Registry } from '../registry/registry.js';
import { loadRegistry } from '../registry/registry.js';
import type { CellWork, CountedProgram } from './count-work.js';
import { countWork } from './count-work.js';
import type { CellPrice, ProgramTime, ReadTime } from './price-work.js';
import { priceWork, readingKey, timeProgram, timeReading } from './price-work.js';

/*
 * The program of the process that finds out how long cells will take. It counts the work of each kind of cell, tries
 * out a few steps of their programs, the largest first, and goes on to smaller ones as long as that costs little of
 * what it found the run to take.
 */

export interface EstimateJob extends DataContext {
  readonly config: RunConfig;
  /** One of each kind: cells of a kind differ in their seed alone. */
  readonly kinds: readonly CellKind[];
  /** The share of the run's time that finding it out may cost. */
  readonly share: number;
}

export interface CellKind {
  readonly cell: Cell;
  /** How many cells of it there are. */
  readonly count: number;
}

/** What one kind of cell takes. */
export interface KindEstimate extends CellPrice {
  /** Bytes of its scores, and of its trained weights where they are kept. */
  readonly resultBytes: number;
  /** Whether its own programs were tried out; else they count by the rate of others. */
  readonly measured: boolean;
}

export interface EstimateMessage {
  /** In the order of the kinds. */
  readonly kinds: readonly KindEstimate[];
}

interface CountedKind extends CellKind {
  readonly work: CellWork;
  readonly flops: number;
}

async function estimate(job: EstimateJob): Promise<EstimateMessage> {
  const began = performance.now();
  const registry = await loadRegistry(job.config.plugins);
  const chosen = await resolvePhases(job.config, registry);
  const datasets = await openDatasets(chosen, job);
  const kinds: CountedKind[] = [];
  for (const kind of job.kinds) {
    const work = await count(kind.cell, job.config, { registry, chosen, datasets });
    const flops = work.passes.reduce((sum, { steps, program }) => sum + steps * program.flops, 0);
    kinds.push({ ...kind, work, flops });
  }
  const reading = new Map<string, ReadTime>();
  for (const { split, preprocessing } of kinds.flatMap(({ work }) => work.passes)) {
    const key = readingKey(split, preprocessing);
    if (!reading.has(key)) reading.set(key, await timeReading(split, preprocessing));
  }
  const engines = new Map<string, Map<CountedProgram, ProgramTime>>();
  const measured = new Set<CountedKind>();
  const price = ({ cell, work }: CountedKind) =>
    priceWork(work, { programs: engines.get(engineOf(cell)) ?? new Map(), reading }, job.cacheDir);
  let longest = 0;
  for (const kind of kinds.toSorted((a, b) => b.count * b.flops - a.count * a.flops)) {
    const programs = engines.get(engineOf(kind.cell));
    const from = performance.now();
    // Of each engine the largest is always tried.
    if (programs !== undefined) {
      const whole = kinds.reduce((sum, one) => sum + one.count * price(one).seconds, 0);
      if (from - began + longest > 1000 * job.share * whole) continue;
    }
    const found = programs ?? new Map<CountedProgram, ProgramTime>();
    engines.set(engineOf(kind.cell), found);
    try {
      await measure(kind, registry, found);
      measured.add(kind);
    } catch (error) {
      // Its cells will say so; the others can be measured nevertheless.
      console.error(error);
    }
    longest = Math.max(longest, performance.now() - from);
  }
  return {
    kinds: kinds.map((kind) => ({
      ...price(kind),
      resultBytes: kind.work.scoreBytes + (job.config.keepWeights ? kind.work.trainedBytes : 0),
      measured: measured.has(kind),
    })),
  };
}

const engineOf = ({ model, backend, device, backendOptions }: Cell) =>
  JSON.stringify([model, backend, device, backendOptions]);

async function count(
  cell: Cell,
  config: RunConfig,
  {
    registry,
    chosen,
    datasets,
  }: {
    readonly registry: Registry;
    readonly chosen: Awaited<ReturnType<typeof resolvePhases>>;
    readonly datasets: ReadonlyMap<string, ImageDataset>;
  },
): Promise<CellWork> {
  const definition = registry.methods.get(cell.method)!;
  const method = { definition, options: definition.options.parse(cell.options) };
  const model = await resolveModel(cell.model, [...registry.models.values()]);
  const planned = chosen.map((phase) =>
    planPhase(phase, datasets.get(phase.config.data)!, {
      config,
      method,
      model: model.model,
      learningRate: cell.learningRate ?? config.training.learningRate,
      seed: cell.seed,
      preprocessing: model.preprocessing,
    }),
  );
  return countWork(planned, { model: model.model, method, featuresOf: engineOf(cell) });
}

/** Tries out what the kind trains with, and what it computes features with. */
async function measure(
  { cell, work }: CountedKind,
  registry: Registry,
  found: Map<CountedProgram, ProgramTime>,
): Promise<void> {
  const engine = registry.backends.get(cell.backend)!;
  const backend: Backend = await engine.create(cell.device, engine.options.parse(cell.backendOptions));
  try {
    const programs = new Set(work.passes.map(({ program }) => program));
    const trained = [...programs].filter(({ optimizer }) => optimizer !== undefined);
    // One forward pass stands for all.
    const forward = [...programs]
      .filter(({ optimizer }) => optimizer === undefined)
      .toSorted((a, b) => b.flops - a.flops)
      .slice(0, 1);
    for (const program of [...trained, ...forward]) found.set(program, await timeProgram(backend, program));
  } finally {
    await backend.dispose();
  }
}

process.on('disconnect', () => process.exit());
process.once('message', async (job: EstimateJob) => {
  const message: EstimateMessage | undefined = await estimate(job).catch((error: unknown) => {
    console.error(error);
    return undefined;
  });
  // An engine may keep the process alive, so it ends as soon as the answer is out. Closing the channel first
  // tells the parent to kill it where a driver does not even let it exit.
  if (message === undefined) process.disconnect();
  else process.send?.(message, () => process.disconnect());
});
