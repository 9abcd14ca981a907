import { InputError, type PixelBatch, type PixelReader } from '@kora-bench/core';
import type { PixelCache } from '../cache/pixel-cache.js';
import { mapConcurrently } from '../content/map-concurrently.js';
import type { DecodePool } from '../decode/decode-pool.js';
import type { PixelGeometry } from '../preprocess/eval-geometry.js';
import type { ExampleReader } from './example-store.js';

/** Two per worker keep every worker busy; a few more keep the disk busy where pixels are cached. */
const EXAMPLES_AT_ONCE = 8;

/** Reads pixels from the cache and, where they are not there, from the stored examples. */
export class CachedPixelReader implements PixelReader {
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
    const atOnce = Math.max(EXAMPLES_AT_ONCE, this.decoding.pool.size * 2);
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
