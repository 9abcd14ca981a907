import { createHash } from 'node:crypto';
import type { ImageSplit, PixelReader, Preprocessing, SplitName, Targets } from '@kora-bench/core';
import { PixelCache } from '../cache/pixel-cache.js';
import { mapConcurrently } from '../content/map-concurrently.js';
import { acquireDecodePool } from '../decode/decode-pool.js';
import { checkGeometry } from '../preprocess/eval-geometry.js';
import { CachedPixelReader } from './cached-pixel-reader.js';
import type { ExampleStore } from './example-store.js';

const READS_AT_ONCE = 8;

/** What a data set reader knows of a split; the rest of an `ImageSplit` follows from it. */
export interface StoredSplitDescription {
  readonly dataset: string;
  readonly split: SplitName;
  readonly targets: Targets;
  readonly paths: readonly string[];
  /** Identifies the stored pixels, in order, e.g. by checksums; targets and paths are added here. */
  readonly content: string;
  readonly notes: readonly string[];
  readonly store: ExampleStore;
}

/** A split whose pixels are decoded in worker threads and cached in `cacheDir`. */
export function storedSplit(description: StoredSplitDescription, cacheDir: string): ImageSplit {
  const { dataset, split, targets, paths, content, notes, store } = description;
  const fingerprint = createHash('sha256')
    .update(JSON.stringify({ dataset, split, paths, targets: plain(targets), content }))
    .digest('hex');
  return {
    dataset,
    split,
    length: paths.length,
    targets,
    paths,
    fingerprint,
    notes,
    contentHashes: (indices = [...paths.keys()]) => hashExamples(store, indices),
    async open(preprocessing: Preprocessing): Promise<PixelReader> {
      checkGeometry(preprocessing);
      const { imageSize, interpolation, cropPct } = preprocessing;
      const geometry = { imageSize, interpolation, cropPct };
      const examples = await store.open();
      const cache = await PixelCache.open(cacheDir, fingerprint, geometry);
      return new CachedPixelReader(paths.length, geometry, examples, cache, acquireDecodePool());
    },
  };
}

/** Targets with plain lists instead of typed arrays, which JSON writes as objects. */
function plain({ label, value, ...perPixel }: Targets): object {
  return {
    ...perPixel,
    ...(label && { label: { ...label, labels: [...label.labels] } }),
    ...(value && { value: { ...value, values: [...value.values] } }),
  };
}

async function hashExamples(store: ExampleStore, indices: readonly number[]): Promise<readonly string[]> {
  const reader = await store.open();
  try {
    return await mapConcurrently(indices, READS_AT_ONCE, async (index) => {
      const { bytes } = await reader.read(index);
      return createHash('sha256').update(bytes).digest('hex');
    });
  } finally {
    await reader.close();
  }
}
