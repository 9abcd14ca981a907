import type { Backend, Checkpoint, ConfiguredMethod, DataContext, ImageDataset } from '@kora-bench/core';
import { InputError } from '@kora-bench/core';
import { resolveModel } from '@kora-bench/models';
import type { Registry } from '../registry/registry.js';
import type { CellJob } from './cell-job.js';

/** What a cell works with, found by its names in the registry. */
export interface CellResources {
  readonly method: ConfiguredMethod;
  readonly backend: Backend;
  readonly checkpoint: Checkpoint;
  readonly source: ImageDataset;
  /** Absent when the run has no such task. */
  readonly target?: ImageDataset;
  readonly depth?: ImageDataset;
}

/**
 * Opens data, weights and engine of a cell.
 * @throws MissingDataError | FormatError | CheckpointError | BackendError | InputError
 */
export async function openResources(
  { cell, config, dataDir, cacheDir }: CellJob,
  registry: Registry,
): Promise<CellResources> {
  const context: DataContext = { dataDir, cacheDir };
  const open = async (name: string): Promise<ImageDataset> =>
    registered(registry.datasets, 'data set', name).open(context);
  const has = (task: 'transfer' | 'depth') => config.tasks.includes(task);
  const method = registered(registry.methods, 'method', cell.method);
  const model = await resolveModel(cell.model, [...registry.models.values()]);
  const checkpoint = await model.load(context);
  const [source, target, depth] = await Promise.all([
    open(config.source),
    has('transfer') ? open(config.target) : undefined,
    has('depth') ? open(config.depth) : undefined,
  ]);
  const backend = registered(registry.backends, 'backend', cell.backend);
  return {
    method: { definition: method, options: method.options.parse(cell.options) },
    backend: await backend.create(cell.device, backend.options.parse(cell.backendOptions)),
    checkpoint,
    source,
    ...(target && { target }),
    ...(depth && { depth }),
  };
}

function registered<T>(known: ReadonlyMap<string, T>, kind: string, name: string): T {
  const found = known.get(name);
  if (found !== undefined) return found;
  throw new InputError(`There is no ${kind} named "${name}".`, {
    expected: [...known.keys()].join(', '),
    received: name,
    where: kind,
  });
}
