import type { Task } from '@kora-bench/core/training';
import type { PredictedBatch } from '@kora-bench/trainer';
import type { PredictedMaps } from '../records/map-files.js';
import { keptMaps } from '../records/map-files.js';

/** Keeps what a task with one value per pixel predicts for the first images of a split. */
export class KeptMaps {
  readonly #task: Task;
  readonly #size: readonly [height: number, width: number];
  readonly #maps: { path: string; values: Float64Array }[] = [];
  #kind: PredictedMaps['kind'] | undefined;

  /** @param size height and width of the images */
  constructor(task: Task, size: readonly [height: number, width: number]) {
    this.#task = task;
    this.#size = size;
  }

  /** @param paths of the split's images */
  add({ prediction, indices }: PredictedBatch, paths: readonly string[]): void {
    if (this.#task.pixels === undefined || this.#maps.length >= keptMaps) return;
    const { kind, values } = this.#task.pixels(prediction, this.#size);
    this.#kind = kind;
    const pixels = this.#size[0] * this.#size[1];
    for (const [i, place] of [...indices].slice(0, keptMaps - this.#maps.length).entries())
      this.#maps.push({
        path: paths[place]!,
        values: Float64Array.from({ length: pixels }, (_, pixel) => values[i * pixels + pixel]!),
      });
  }

  /** Null for tasks without maps, and for more classes than a byte tells apart. */
  get maps(): PredictedMaps | null {
    if (this.#kind === undefined) return null;
    if (this.#kind === 'mask' && this.#maps.some(({ values }) => values.some((of) => of > 255))) return null;
    const [height, width] = this.#size;
    return { kind: this.#kind, height, width, maps: this.#maps };
  }
}
