import { createHash } from 'node:crypto';
import type {
  ImageSplit,
  PixelBatch,
  PixelReader,
  Preprocessing,
  SplitName,
  Targets,
} from '@kora-bench/core/data';
import { InputError } from '@kora-bench/core/errors';
import { PixelCache } from '../cache/pixel-cache.js';
import { mapConcurrently } from '../content/concurrency.js';
import { acquireDecodePool, type DecodePool } from '../decode/decode-pool.js';
import { emptyBatch, type PackedLayout, packedLayout, unpackInto } from '../decode/packed-example.js';
import type { DecodePlan, ExamplePart, StoredExample, TargetEncoding } from '../decode/stored-example.js';
import { checkGeometry, pixelGeometry } from '../preprocess/pixel-geometry.js';

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
  read(index: number): Promise<StoredExample>;
  /** Names a part of an example in a message, e.g. `data.zip: train/a.JPEG`. */
  where(index: number, part: ExamplePart): string;
  close(): Promise<void>;
}

const readsAtOnce = 8;

/** What a data set reader knows of a split; the rest of an `ImageSplit` follows from it. */
export interface StoredSplitDescription {
  readonly dataset: string;
  readonly split: SplitName;
  readonly targets: Targets;
  readonly paths: readonly string[];
  /**
   * Identifies the stored pixels and targets per pixel, in order, e.g. by checksums; paths, other targets
   * and `encoding` are added here.
   */
  readonly content: string;
  /** How masks and depth are stored; by default masks have no unlabelled value, depth is in millimetres. */
  readonly encoding?: TargetEncoding;
  readonly notes: readonly string[];
  readonly store: ExampleStore;
}

/** A split whose pixels and targets per pixel are decoded in worker threads and cached in `cacheDir`. */
export function storedSplit(description: StoredSplitDescription, cacheDir: string): ImageSplit {
  const { dataset, split, targets, paths, content, encoding, notes, store } = description;
  const fingerprint = createHash('sha256')
    .update(JSON.stringify({ dataset, split, paths, targets: plain(targets), content, encoding }))
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
      const geometry = pixelGeometry(preprocessing);
      const { imageSize } = geometry;
      const { mask, depth } = targets;
      const layout = packedLayout(imageSize, { mask: mask !== undefined, depth: depth !== undefined });
      const plan: DecodePlan = {
        geometry,
        ...(encoding?.image && { image: encoding.image }),
        ...(mask && { mask: { unlabelled: [], ...encoding?.mask, classes: mask.classNames.length } }),
        ...(depth && {
          depth: { ...encoding?.depth, maximum: depth.maximum ?? Number.POSITIVE_INFINITY },
        }),
      };
      const examples = await store.open();
      const cache = await PixelCache.open(cacheDir, fingerprint, geometry, layout);
      const decoding = acquireDecodePool();
      return new CachedPixelReader({ length: paths.length, layout, plan, examples, cache, decoding });
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
      const { image } = await reader.read(index);
      return createHash('sha256').update(image.bytes).digest('hex');
    });
  } finally {
    await reader.close();
  }
}

/** Two per worker keep every worker busy; a few more keep the disk busy where pixels are cached. */
const examplesAtOnce = 8;

interface CachedPixelReaderParts {
  readonly length: number;
  readonly layout: PackedLayout;
  readonly plan: DecodePlan;
  readonly examples: ExampleReader;
  readonly cache: PixelCache;
  readonly decoding: { readonly pool: DecodePool; release(): void };
}

/** Reads examples from the cache and, where they are not there, from the store. */
class CachedPixelReader implements PixelReader {
  #closing: Promise<void> | undefined;
  #reads = new Set<Promise<unknown>>();

  constructor(private readonly parts: CachedPixelReaderParts) {}

  async read(indices: readonly number[]): Promise<PixelBatch> {
    if (this.#closing !== undefined) {
      throw new InputError('The pixel reader is closed.', { fix: 'Open the split again.' });
    }
    for (const index of indices) this.#checkIndex(index);
    const { layout, decoding } = this.parts;
    const batch = emptyBatch(indices.length, layout);
    const atOnce = Math.max(examplesAtOnce, decoding.pool.size * 2);
    const reading = mapConcurrently(indices, atOnce, (index, place) => this.#readOne(index, batch, place));
    this.#reads.add(reading);
    try {
      await reading;
    } finally {
      this.#reads.delete(reading);
    }
    return batch;
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      await Promise.allSettled(this.#reads);
      const { examples, cache, decoding } = this.parts;
      decoding.release();
      await Promise.all([examples.close(), cache.close()]);
    })();
    return this.#closing;
  }

  async #readOne(index: number, batch: PixelBatch, place: number): Promise<void> {
    const { layout, cache } = this.parts;
    if (!layout.mask && !layout.depth) {
      // Pixels alone go straight to where they belong.
      const target = batch.pixels.subarray(place * layout.bytes, (place + 1) * layout.bytes);
      if (!(await cache.readInto(index, target))) target.set(await this.#decode(index));
      return;
    }
    const kept = new Uint8Array(layout.bytes);
    const packed = (await cache.readInto(index, kept)) ? kept : await this.#decode(index);
    unpackInto(batch, place, packed, layout);
  }

  async #decode(index: number): Promise<Uint8Array<ArrayBuffer>> {
    const { cache, decoding, examples, plan } = this.parts;
    const stored = await examples.read(index);
    const packed = await decoding.pool.prepare(stored, plan, (part) => examples.where(index, part));
    await cache.write(index, packed);
    return packed;
  }

  #checkIndex(index: number): void {
    const { length } = this.parts;
    if (Number.isInteger(index) && index >= 0 && index < length) return;
    throw new InputError('An example that is not in the split was asked for.', {
      where: 'indices',
      expected: `integers from 0 to ${length - 1}`,
      received: String(index),
      fix: 'Take indices below the length of the split.',
    });
  }
}
