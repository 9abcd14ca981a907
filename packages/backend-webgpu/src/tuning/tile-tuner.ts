import type { Program } from '@kora-bench/core';
import { sizeOf } from '@kora-bench/core';
import type { PipelineCache } from '../pipeline-cache.js';
import type { Kernel } from '../plan/kernel.js';
import type { KernelPlan } from '../plan/plan-kernels.js';
import type { KernelTarget } from '../wgsl/kernel-target.js';
import { productOf } from '../wgsl/matmul/product.js';
import type { Tile } from '../wgsl/matmul/tile.js';
import { tilesFor } from '../wgsl/matmul/tile.js';
import { storedBytes } from '../wgsl/scalar.js';
import type { KernelCode } from '../wgsl/write-kernel.js';
import { writeKernel } from '../wgsl/write-kernel.js';
import { measureKernel } from './measure-kernel.js';
import { productKey } from './product-key.js';
import type { TileStore } from './tile-store.js';

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
      const best = await this.#fastest(program, plan, kernel, key, tiles, target);
      known.set(key, best);
      found[key] = best;
    }
    if (Object.keys(found).length > 0) await this.#store.save(found);
    return { ...target, tiles: known };
  }

  async #fastest(
    program: Program,
    plan: KernelPlan,
    kernel: Kernel,
    key: string,
    tiles: readonly Tile[],
    target: KernelTarget,
  ): Promise<Tile> {
    const codes = tiles.map((tile) =>
      writeKernel(program, plan, [kernel], { ...target, tiles: new Map([[key, tile]]) }),
    );
    // A kernel that works another way has nothing to choose.
    if (new Set(codes.map(({ code }) => code)).size === 1) return tiles[0]!;
    const bytesOf = (id: number) => storedBytes(plan.storageOf(id)) * sizeOf(program.nodes[id]!.shape);
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
