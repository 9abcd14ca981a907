import type { Program } from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';
import { z } from 'zod';
import type { KernelTarget, Tile } from '../kernels/kernel-target.js';
import { tilesFor } from '../kernels/product-in-tiles.js';
import { productKey, productOf } from '../kernels/products.js';
import { writeKernel } from '../kernels/write-kernel.js';
import type { KernelPlan } from '../plan/kernel.js';
import type { KernelCode } from '../wgsl/kernel-code.js';
import { storedBytes } from '../wgsl/numbers.js';
import type { PipelineCache } from './pipeline-cache.js';

const divisible = z.int().positive().multipleOf(4);

/** Tiles by the key of their product, as they are kept on disk. */
export const storedTiles = z.record(
  z.string(),
  z.strictObject({
    rows: divisible,
    columns: divisible,
    depth: divisible,
    laneRows: divisible,
    laneColumns: divisible,
  }),
);

/** Where the tiles that were found for a device outlive the process. */
export interface TileStore {
  /** What was found before; nothing where that cannot be read. */
  load(): Promise<Readonly<Record<string, Tile>>>;
  /** Adds to it. Never throws: what is lost can be found again. */
  save(tiles: Readonly<Record<string, Tile>>): Promise<void>;
}

/** How many of the tiles that should do well are tried. */
const mostTried = 4;

/** Finds the fastest tile of each product by running its kernel. What it has found, it keeps. */
export class TileTuner {
  readonly #device: GPUDevice;
  readonly #pipelines: PipelineCache;
  readonly #store: TileStore;
  #known: Promise<Map<string, Tile>> | undefined;

  constructor(device: GPUDevice, pipelines: PipelineCache, store: TileStore) {
    this.#device = device;
    this.#pipelines = pipelines;
    this.#store = store;
  }

  /** `target` with the best tiles for the products of a program. */
  async tune(program: Program, plan: KernelPlan, target: KernelTarget): Promise<KernelTarget> {
    this.#known ??= this.#store.load().then((tiles) => new Map(Object.entries(tiles)));
    const known = await this.#known;
    const found: Record<string, Tile> = {};
    for (const kernel of plan.kernels) {
      if (kernel.terms.length === 0) continue;
      const product = productOf(program, kernel.terms);
      const key = productKey(product);
      if (known.has(key)) continue;
      const tiles = tilesFor(product, target).slice(0, mostTried);
      const codes = tiles.map((tile) =>
        writeKernel(program, plan, [kernel], { ...target, tiles: new Map([[key, tile]]) }),
      );
      const bytesOf = (id: number) => storedBytes(plan.storageOf(id)) * sizeOf(program.nodes[id]!.shape);
      const best = await this.#fastest(tiles, codes, bytesOf);
      known.set(key, best);
      found[key] = best;
    }
    if (Object.keys(found).length > 0) await this.#store.save(found);
    return { ...target, tiles: known };
  }

  /** @param codes the kernel with each of the tiles */
  async #fastest(
    tiles: readonly Tile[],
    codes: readonly KernelCode[],
    bytesOf: (id: number) => number,
  ): Promise<Tile> {
    // A kernel that works another way has nothing to choose.
    if (new Set(codes.map(({ code }) => code)).size === 1) return tiles[0]!;
    let best: { readonly tile: Tile; readonly time: number } | undefined;
    for (const [i, tile] of tiles.entries()) {
      const time = await this.#time(codes[i]!, bytesOf);
      if (best === undefined || time < best.time) best = { tile, time };
    }
    return best!.tile;
  }

  async #time(code: KernelCode, bytesOf: (id: number) => number): Promise<number> {
    const pipeline = await this.#pipelines.get(code.code);
    const sizes = [...code.writes, ...code.reads].map(bytesOf);
    return measureKernel(this.#device, pipeline, code, sizes);
  }
}

/** A measurement should take about this long, in milliseconds, for the clock to tell kernels apart. */
const worthwhile = 4;
const mostRuns = 256;
const rounds = 3;

/**
 * Milliseconds that one run of a kernel takes on buffers of its own, filled with zeros: the best of some
 * rounds of as many runs as the clock needs.
 * @param sizes bytes of the buffers that it writes and reads
 */
async function measureKernel(
  device: GPUDevice,
  pipeline: GPUComputePipeline,
  { offsets, workgroups }: KernelCode,
  sizes: readonly number[],
): Promise<number> {
  const { STORAGE, UNIFORM } = GPUBufferUsage;
  const make = (bytes: number, usage: number) =>
    device.createBuffer({ label: 'measurement', size: 16 * Math.ceil(bytes / 16), usage });
  const buffers = sizes.map((bytes) => make(bytes, STORAGE));
  // Zeros will do for the offsets: where a kernel reads makes no difference to its speed.
  if (offsets.length > 0) buffers.push(make(4 * offsets.length, UNIFORM));
  const group = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
  });
  const run = async (count: number) => {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    for (let i = 0; i < count; i++) pass.dispatchWorkgroups(...workgroups);
    pass.end();
    const start = performance.now();
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
    return performance.now() - start;
  };
  try {
    await run(1);
    const once = await run(1);
    const runs = Math.max(1, Math.min(mostRuns, Math.round(worthwhile / once)));
    let best = Number.POSITIVE_INFINITY;
    for (let round = 0; round < rounds; round++) best = Math.min(best, (await run(runs)) / runs);
    return best;
  } finally {
    for (const buffer of buffers) buffer.destroy();
  }
}
