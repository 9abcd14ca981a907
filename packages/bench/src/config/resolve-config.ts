import { resolve } from 'node:path';
import { InputError } from '@kora-bench/core';
import { resolveModel } from '@kora-bench/models';
import { loadRegistry } from '../registry/load-registry.js';
import { findRegistered } from '../registry/nearest-name.js';
import { joinPlugins, readPluginsFile } from '../registry/plugins-file.js';
import type { Registry } from '../registry/registry.js';
import type { ChosenBackend } from './configure-backend.js';
import { configureBackend } from './configure-backend.js';
import type { ChosenMethod } from './configure-method.js';
import { configureMethod, distinctLabels } from './configure-method.js';
import type { RunConfig } from './run-config.js';

/** A configuration whose every name is known and whose every option is valid. */
export interface ResolvedConfig {
  readonly config: RunConfig;
  readonly methods: readonly ChosenMethod[];
  readonly backends: readonly ChosenBackend[];
  readonly registry: Registry;
}

/**
 * Loads the plugins and looks up all names of a configuration. Reads no weights and no data.
 * @param flags which flag set which field, for errors
 * @throws InputError for unknown names, options that are not valid, and data of the wrong kind
 */
export async function resolveConfig(
  config: RunConfig,
  flags: ReadonlyMap<string, string> = new Map(),
  cwd = process.cwd(),
): Promise<ResolvedConfig> {
  const plugins = joinPlugins(config.plugins, await readPluginsFile(cwd), cwd);
  const registry = await loadRegistry(plugins, cwd);
  const entries = distinctLabels(config.methods);
  const methods = entries.map((entry, index) =>
    configureMethod(registry.methods, entry, `methods[${index}]`, flags),
  );
  const backends = config.backends.map((entry, index) =>
    configureBackend(registry.backends, entry, `backends[${index}]`, flags),
  );
  const model = isModelPath(config.model) ? resolve(cwd, config.model) : config.model;
  await resolveModel(model, [...registry.models.values()]);
  for (const field of ['source', 'target', 'depth'] as const) checkDataset(registry, config, field, flags);
  return { config: { ...config, plugins, model, methods: entries }, methods, backends, registry };
}

function isModelPath(model: string): boolean {
  return /^\.{1,2}([/\\]|$)/.test(model);
}

function checkDataset(
  { datasets }: Registry,
  config: RunConfig,
  field: 'source' | 'target' | 'depth',
  flags: ReadonlyMap<string, string>,
): void {
  const flag = flags.get(field);
  const where = flag === undefined ? field : `${field} set by ${flag}`;
  const { name, task } = findRegistered(datasets, 'data set', config[field], where);
  const needed = field === 'depth' ? 'depth' : 'classification';
  if (task === needed) return;
  const fitting = [...datasets.values()]
    .filter((dataset) => dataset.task === needed)
    .map((dataset) => dataset.name);
  throw new InputError(`The data set ${name} has no labels for this task.`, {
    where,
    expected: `data for ${needed}: one of ${fitting.join(', ')}`,
    received: `${name}, which is for ${task}`,
    fix: `Choose another data set with --${field}.`,
  });
}
