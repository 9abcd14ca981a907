import type { Backend, Checkpoint, ConfiguredMethod, DataContext } from '@kora-bench/core';
import { loadModel } from '@kora-bench/models';
import type { RunConfig } from '../config/run-config.js';
import { findRegistered } from '../input/nearest-name.js';
import type { Cell } from '../records/record-schema.js';
import type { Registry } from '../registry/registry.js';

/** All that a cell's process needs to do its work; sent to it as one IPC message. */
export interface CellJob {
  readonly cell: Cell;
  readonly config: RunConfig;
  /** The record goes to `<runDir>/records/<cell.id>.json`. */
  readonly runDir: string;
  readonly dataDir: string;
  readonly cacheDir: string;
}

/** What a cell works with, found by its names in the registry. */
export interface CellResources {
  readonly method: ConfiguredMethod;
  readonly backend: Backend;
  readonly checkpoint: Checkpoint;
  readonly registry: Registry;
}

/**
 * Opens weights and engine of a cell.
 * @throws MissingDataError | FormatError | CheckpointError | BackendError | InputError
 */
export async function openResources(
  { cell, dataDir, cacheDir }: CellJob,
  registry: Registry,
): Promise<CellResources> {
  const context: DataContext = { dataDir, cacheDir };
  const method = findRegistered(registry.methods, 'method', cell.method, 'cell.method');
  const checkpoint = await loadModel(cell.model, context, {}, [...registry.models.values()]);
  const backend = findRegistered(registry.backends, 'backend', cell.backend, 'cell.backend');
  return {
    method: { definition: method, options: method.options.parse(cell.options) },
    backend: await backend.create(cell.device, backend.options.parse(cell.backendOptions)),
    checkpoint,
    registry,
  };
}
