import type { Backend } from '@kora-bench/core/backend';
import type { ImageSplit, Preprocessing } from '@kora-bench/core/data';
import type { HostTensor, Program } from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';
import type { Partition } from '@kora-bench/core/passes';
import { partitionFrozenPrefix } from '@kora-bench/core/passes';
import { imagesFeed } from '@kora-bench/core/training';
import { fixedBatches, inOrder } from './batches.js';
import type { ReportProgress } from './progress.js';
import { PassProgress } from './progress.js';
import { withSession } from './session.js';
import type { WeightStore } from './weights.js';

/*
 * What a program computes from the images and frozen weights alone is the same in every epoch, so it is
 * computed once per image and kept. Where it is kept is the caller's: in memory, or in files that other
 * runs find again.
 */

/**
 * What a pass over images through a frozen prefix cost. Whoever finds its values later did not pay for them,
 * but no training on them is understood without it: so it is kept with them.
 */
export interface FeatureCost {
  /** Wall-clock time: reading, decoding and the prefix itself, without compilation. */
  readonly seconds: number;
  /** Images that went through. */
  readonly images: number;
}

/** Float32 rows, one per example, of one kept value. */
export interface FeatureTable {
  /** Of the pass that computed the rows, whenever and for whomever that was. */
  readonly cost: FeatureCost;
  /**
   * The rows `indices` as one batch `[batchSize, rowLength]`; a batch that is not full repeats its last row.
   * Its memory is used again by the next call.
   */
  gather(indices: ArrayLike<number>): Float32Array;
  close(): void;
}

/** What a table holds, and how many rows are asked for at a time. */
export interface TableShape {
  /** Names everything that the values are a function of. */
  readonly key: string;
  readonly rows: number;
  /** Float32 elements per row. */
  readonly rowLength: number;
  readonly batchSize: number;
}

/** Collects rows in order; they become a table only when all are there. */
export interface FeatureWriter {
  append(rows: Float32Array): void;
  finish(cost: FeatureCost): FeatureTable;
  abandon(): void;
}

/** Where tables are kept. */
export interface FeatureStore {
  /** A table that was completed before, or `undefined` if there is none that is whole and undamaged. */
  open(shape: TableShape): Promise<FeatureTable | undefined>;
  create(shape: TableShape): FeatureWriter;
}

/** Tables that live as long as their user: nothing is found again. */
export const memoryFeatures: FeatureStore = {
  open: async () => undefined,
  create: createMemoryTable,
};

/** A table in memory. */
export function createMemoryTable(shape: TableShape): FeatureWriter {
  const data = tableMemory(shape);
  let filled = 0;
  return {
    append(values) {
      data.set(values, filled);
      filled += values.length;
    },
    finish: (cost) => tableInMemory(data, shape, cost),
    abandon: () => undefined,
  };
}

/** Room for all rows and, behind them, one batch: moving rows within one array makes no object per row. */
export function tableMemory({ rows, rowLength, batchSize }: TableShape): Float32Array {
  return new Float32Array((rows + batchSize) * rowLength);
}

/** A table whose rows are the first ones of `memory`, made by {@link tableMemory}. */
export function tableInMemory(
  memory: Float32Array,
  { rows, rowLength, batchSize }: TableShape,
  cost: FeatureCost,
): FeatureTable {
  const batch = memory.subarray(rows * rowLength);
  return {
    cost,
    gather(indices) {
      for (let i = 0; i < batchSize; i++) {
        const from = indices[Math.min(i, indices.length - 1)]! * rowLength;
        memory.copyWithin((rows + i) * rowLength, from, from + rowLength);
      }
      return batch;
    },
    close: () => undefined,
  };
}

/** Keeping a prefix pays when it is at least this share of the program. */
const worthwhileShare = 0.5;

/** The frozen part of a program, where keeping its values per image saves most of the work. */
export function worthwhilePrefix(program: Program): Partition | undefined {
  const partition = partitionFrozenPrefix(program, new Set([imagesFeed]));
  if (partition === undefined) return undefined;
  const { prefixFlops, restFlops } = partition;
  return prefixFlops / (prefixFlops + restFlops) >= worthwhileShare ? partition : undefined;
}

/** The values of a frozen prefix for every example of a split, by the name of their feed. */
export interface KeptFeatures {
  /**
   * Feeds for the examples `indices`; a batch that is not full repeats its last example. Their memory is used
   * again by the next call.
   */
  gather(indices: ArrayLike<number>): Record<string, HostTensor>;
  /** How many examples went through the prefix now, and how many were there already. */
  readonly computed: number;
  readonly reused: number;
  /** The pass that computed them, now or earlier; the sum of several where not all values are of one. */
  readonly pass: FeatureCost;
  close(): void;
}

export interface KeptFeaturesSpec {
  readonly backend: Backend;
  readonly partition: Partition;
  readonly weights: WeightStore;
  readonly split: ImageSplit;
  readonly preprocessing: Preprocessing;
  readonly batchSize: number;
  readonly store: FeatureStore;
  /** What the features are for; names progress. */
  readonly phase: string;
  readonly report: ReportProgress;
}

/**
 * Finds the features of a split in the store, or computes what is missing in one pass over the images. The
 * store keeps values of an untouched checkpoint; those of trained weights stay in memory.
 */
export async function keptFeatures(spec: KeptFeaturesSpec): Promise<KeptFeatures> {
  const { backend, partition, weights, split, preprocessing, batchSize } = spec;
  const frozen = partition.prefix.nodes.flatMap(({ op }) => (op.kind === 'frozen' ? [op.name] : []));
  const store = frozen.every((name) => weights.isPretrained(name)) ? spec.store : memoryFeatures;
  const engine = `${backend.name} ${backend.device} ${JSON.stringify(backend.versions)}`;
  const slots = await Promise.all(
    partition.values.map(async (value) => {
      const parts = [
        value.name,
        weights.fingerprint,
        split.fingerprint,
        JSON.stringify(preprocessing),
        engine,
      ];
      const rowLength = sizeOf(value.shape.slice(1));
      const shape = { key: parts.join('\n'), rows: split.length, rowLength, batchSize };
      return { value, shape, table: await store.open(shape) };
    }),
  );
  const missing = slots.filter(({ table }) => table === undefined);
  const tables = new Map<string, FeatureTable>();
  for (const { value, table } of slots) if (table !== undefined) tables.set(value.name, table);
  if (missing.length > 0) {
    const writers = new Map(missing.map(({ value, shape }) => [value.name, store.create(shape)]));
    try {
      const seconds = await computeAll(spec, writers);
      for (const [name, writer] of writers)
        tables.set(name, writer.finish({ seconds, images: split.length }));
    } catch (error) {
      for (const writer of writers.values()) writer.abandon();
      for (const table of tables.values()) table.close();
      throw error;
    }
  }
  return {
    computed: missing.length > 0 ? split.length : 0,
    reused: missing.length > 0 ? 0 : split.length,
    pass: totalCost([...tables.values()].map(({ cost }) => cost)),
    gather: (indices) =>
      Object.fromEntries(
        slots.map(({ value: { name, shape } }) => [
          name,
          { dtype: 'f32' as const, shape, data: tables.get(name)!.gather(indices) },
        ]),
      ),
    close() {
      for (const table of tables.values()) table.close();
    },
  };
}

/** The cost of all passes. Tables that one pass filled name it alike, down to the clock's last digit. */
function totalCost(costs: readonly FeatureCost[]): FeatureCost {
  const passes = new Map(costs.map((cost) => [`${cost.seconds} ${cost.images}`, cost]));
  let [seconds, images] = [0, 0];
  for (const pass of passes.values()) {
    seconds += pass.seconds;
    images += pass.images;
  }
  return { seconds, images };
}

/** One pass over all images through the prefix; its wall-clock time without compiling, seconds. */
async function computeAll(
  { backend, partition, weights, split, preprocessing, batchSize, phase, report }: KeptFeaturesSpec,
  writers: ReadonlyMap<string, FeatureWriter>,
): Promise<number> {
  const names = [...writers.keys()];
  const program = { backend, program: partition.prefix, weights: weights.values };
  return withSession(program, async (session) => {
    const reader = await split.open(preprocessing);
    try {
      const progress = new PassProgress(report, `${phase}: features`, Math.ceil(split.length / batchSize));
      const order = inOrder(split.length);
      for await (const batch of fixedBatches({ split, reader, order, batchSize, preprocessing })) {
        const outputs = await session.run({ [imagesFeed]: batch.images }, names);
        for (const [name, writer] of writers) {
          const { data, shape } = outputs[name]!;
          writer.append(Float32Array.from(data.subarray(0, batch.count * sizeOf(shape.slice(1)))));
        }
        progress.step(batch.count);
      }
      return progress.seconds;
    } finally {
      await reader.close();
    }
  });
}
