import type {
  Executable,
  HostTensor,
  ImageSplit,
  Partition,
  PixelReader,
  Preprocessing,
} from '@kora-bench/core';
import { imagesFeed, sizeOf } from '@kora-bench/core';
import type { CellContext } from './cell-context.js';
import type { FeatureTable, FeatureWriter } from './feature-table.js';
import { createFeatureTable, createMemoryTable, featureKey, openFeatureTable } from './feature-table.js';
import { fixedBatches, inOrder } from './fixed-batches.js';
import type { WeightStore } from './weight-store.js';

/** The values of a frozen prefix for every example of a split, by the name of their feed. */
export interface FrozenFeatures {
  /**
   * Feeds for the examples `indices`; a batch that is not full repeats its last example. Their memory is used
   * again by the next call.
   */
  gather(indices: ArrayLike<number>): Record<string, HostTensor>;
  /** How many examples went through the prefix now, and how many were there already. */
  readonly computed: number;
  readonly reused: number;
  /** Wall-clock time of the pass over the images; absent where everything was there already. */
  readonly computeSeconds?: number;
  close(): void;
}

/** Keeping a prefix pays when it is at least this share of the program. */
const worthwhileShare = 0.5;

/** Whether keeping the prefix's values per image saves most of the work. */
export function isWorthKeeping({ prefixFlops, restFlops }: Partition): boolean {
  return prefixFlops / (prefixFlops + restFlops) >= worthwhileShare;
}

/**
 * Finds the features of `split` on disk, or computes what is missing in one pass over the images. Values
 * of an untouched checkpoint are kept on disk for all cells; those of trained weights in memory alone.
 */
export async function frozenFeatures(
  context: CellContext,
  partition: Partition,
  weights: WeightStore,
  split: ImageSplit,
  preprocessing: Preprocessing,
  batchSize: number,
  phase: string,
): Promise<FrozenFeatures> {
  const shared = frozenNames(partition).every((name) => weights.isPretrained(name));
  const { backend } = context;
  const opened = partition.values.map(async (value) => {
    const rowLength = sizeOf(value.shape.slice(1));
    const engine = `${backend.name} ${backend.device} ${JSON.stringify(backend.versions)}`;
    const key = featureKey([
      value.name,
      weights.fingerprint,
      split.fingerprint,
      JSON.stringify(preprocessing),
      engine,
    ]);
    const shape = { key, rows: split.length, rowLength, batchSize };
    return { value, shape, table: shared ? await openFeatureTable(context.cacheDir, shape) : undefined };
  });
  const slots = await Promise.all(opened);
  const missing = slots.filter(({ table }) => table === undefined);
  const tables = new Map<string, FeatureTable>();
  let computeSeconds: number | undefined;
  const notKept = (reason: string) =>
    context.report({
      kind: 'message',
      text: `Features cannot be kept on disk: ${reason}. They stay in memory.`,
    });
  for (const { value, table } of slots) if (table !== undefined) tables.set(value.name, table);

  if (missing.length > 0) {
    const names = missing.map(({ value }) => value.name);
    const executable = await backend.compile(partition.prefix, weights.values);
    const reader = await split.open(preprocessing);
    const writers = new Map<string, FeatureWriter>(
      missing.map(({ value, shape }) => [
        value.name,
        shared ? createFeatureTable(context.cacheDir, shape, notKept) : createMemoryTable(shape),
      ]),
    );
    try {
      const started = performance.now();
      await computeAll(context, executable, reader, split, preprocessing, batchSize, names, writers, phase);
      computeSeconds = (performance.now() - started) / 1000;
      for (const [name, writer] of writers) tables.set(name, writer.finish());
    } catch (error) {
      for (const writer of writers.values()) writer.abandon();
      for (const table of tables.values()) table.close();
      throw error;
    } finally {
      await reader.close();
      await executable.dispose();
    }
  }
  return {
    computed: missing.length > 0 ? split.length : 0,
    reused: missing.length > 0 ? 0 : split.length,
    ...(computeSeconds === undefined ? {} : { computeSeconds }),
    gather(indices) {
      const feeds: Record<string, HostTensor> = {};
      for (const { value } of slots) {
        const data = tables.get(value.name)!.gather(indices);
        feeds[value.name] = { dtype: 'f32', shape: value.shape, data };
      }
      return feeds;
    },
    close() {
      for (const table of tables.values()) table.close();
    },
  };
}

function frozenNames({ prefix }: Partition): string[] {
  return prefix.nodes.flatMap(({ op }) => (op.kind === 'frozen' ? [op.name] : []));
}

async function computeAll(
  context: CellContext,
  executable: Executable,
  reader: PixelReader,
  split: ImageSplit,
  preprocessing: Preprocessing,
  batchSize: number,
  names: readonly string[],
  writers: ReadonlyMap<string, FeatureWriter>,
  phase: string,
): Promise<void> {
  const totalSteps = Math.ceil(split.length / batchSize);
  context.report({ kind: 'phase', phase: `${phase}: features`, totalSteps });
  const started = performance.now();
  let done = 0;
  for await (const batch of fixedBatches(split, reader, inOrder(split.length), batchSize, {
    preprocessing,
  })) {
    const outputs = await executable.run({ feeds: { [imagesFeed]: batch.images }, fetch: names });
    for (const name of names) {
      const { data, shape } = outputs[name]!;
      writers.get(name)!.append(Float32Array.from(data.subarray(0, batch.count * sizeOf(shape.slice(1)))));
    }
    done += batch.count;
    const imagesPerSecond = done / ((performance.now() - started) / 1000);
    context.report({
      kind: 'step',
      phase: `${phase}: features`,
      step: Math.ceil(done / batchSize),
      totalSteps,
      loss: null,
      imagesPerSecond,
    });
  }
}
