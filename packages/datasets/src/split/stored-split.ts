import { createHash } from 'node:crypto';
import {
  type ImageSplit,
  InputError,
  type PixelBatch,
  type PixelReader,
  type Preprocessing,
  type SplitName,
  type Targets,
} from '@kora-bench/core';
import { PixelCache } from '../cache/pixel-cache.js';
import { mapConcurrently } from '../concurrency.js';
import { acquireDecodePool, type DecodePool } from '../decode/decode-pool.js';
import type { StoredImage } from '../decode/stored-example.js';
import { checkGeometry, type PixelGeometry } from '../preprocess/eval-transform.js';

/** The stored examples of one split. */
export interface ExampleStore {
  open(): Promise<ExampleReader>;
}

export interface ExampleReader {
  /**
   * Reads one example as stored. Its bytes belong to the caller.
   *
   * @throws FormatError when the data set is damaged.
   */
  read(index: number): Promise<StoredImage>;
  /** Names an example in a message, e.g. `data.zip: train/a.JPEG`. */
  where(index: number): string;
  close(): Promise<void>;
}

const readsAtOnce = 8;

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
    return await mapConcurrently(indices, readsAtOnce, async (index) => {
      const { bytes } = await reader.read(index);
      return createHash('sha256').update(bytes).digest('hex');
    });
  } finally {
    await reader.close();
  }
}

/** Two per worker keep every worker busy; a few more keep the disk busy where pixels are cached. */
const examplesAtOnce = 8;

/** Reads pixels from the cache and, where they are not there, from the stored examples. */
class CachedPixelReader implements PixelReader {
  #closing: Promise<void> | undefined;
  #reads = new Set<Promise<unknown>>();

  constructor(
    private readonly length: number,
    private readonly geometry: PixelGeometry,
    private readonly examples: ExampleReader,
    private readonly cache: PixelCache,
    private readonly decoding: { readonly pool: DecodePool; release(): Promise<void> },
  ) {}

  async read(indices: readonly number[]): Promise<PixelBatch> {
    if (this.#closing !== undefined) {
      throw new InputError('The pixel reader is closed.', { fix: 'Open the split again.' });
    }
    for (const index of indices) this.#checkIndex(index);
    const [height, width] = this.geometry.imageSize;
    const imageBytes = height * width * 3;
    const pixels = new Uint8Array(indices.length * imageBytes);
    const atOnce = Math.max(examplesAtOnce, this.decoding.pool.size * 2);
    const reading = mapConcurrently(indices, atOnce, (index, place) =>
      this.#readOne(index, pixels.subarray(place * imageBytes, (place + 1) * imageBytes)),
    );
    this.#reads.add(reading);
    try {
      await reading;
    } finally {
      this.#reads.delete(reading);
    }
    return { pixels };
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      await Promise.allSettled(this.#reads);
      await Promise.all([this.examples.close(), this.cache.close(), this.decoding.release()]);
    })();
    return this.#closing;
  }

  async #readOne(index: number, target: Uint8Array): Promise<void> {
    if (await this.cache.readInto(index, target)) return;
    const stored = await this.examples.read(index);
    const pixels = await this.decoding.pool.prepare(stored, this.geometry, this.examples.where(index));
    target.set(pixels);
    await this.cache.write(index, pixels);
  }

  #checkIndex(index: number): void {
    if (Number.isInteger(index) && index >= 0 && index < this.length) return;
    throw new InputError('An example that is not in the split was asked for.', {
      where: 'indices',
      expected: `integers from 0 to ${this.length - 1}`,
      received: String(index),
      fix: 'Take indices below the length of the split.',
    });
  }
}
