import { createHash } from 'node:crypto';
import { InputError } from '@kora-bench/core/errors';
import type { RunConfig } from '../config/run-config.js';
import { nameAndOptions } from '../config/run-config.js';
import { canonicalJson } from '../input/json.js';
import type { Cell } from '../records/record-schema.js';
import type { RegisteredPlugin, Registry } from '../registry/registry.js';
import { ratesToTry } from './learning-rates.js';
import type { ResolvedConfig } from './resolve-config.js';

/**
 * The cells of a run: every model with every method on every backend with every seed, in that order of loops.
 * @throws InputError when two of them would be the same
 */
export function planCells({ config, methods, backends, registry }: ResolvedConfig): Cell[] {
  const cells: Cell[] = [];
  for (const model of config.models) {
    for (const method of methods) {
      for (const backend of backends) {
        const rates = ratesToTry(method, config);
        for (const seed of config.seeds) {
          const cell = {
            label: method.label,
            method: method.definition.name,
            options: { ...(method.options as Record<string, unknown>) },
            learningRate: rates === undefined ? (method.learningRate ?? config.training.learningRate) : null,
            ...(rates !== undefined && { learningRates: [...rates] }),
            ...(method.adapter && { adapter: method.adapter }),
            backend: backend.definition.name,
            device: backend.device,
            backendOptions: { ...(backend.options as Record<string, unknown>) },
            model,
            seed,
          };
          cells.push({ id: cellId(cell, config, registry), ...cell });
        }
      }
    }
  }
  const seen = new Set<string>();
  for (const { id, label, backend, device, seed } of cells) {
    const digest = id.slice(id.lastIndexOf('-'));
    if (seen.has(digest)) {
      throw new InputError('The configuration names the same cell twice.', {
        where: 'models, methods, backends or seeds',
        expected: 'models, methods, backends and seeds that are each named once',
        received: `${label} on ${backend}:${device} with seed ${seed}, twice`,
        fix: 'Remove the repetition.',
      });
    }
    seen.add(digest);
  }
  return cells;
}

/**
 * A readable name with a digest of everything that decides the cell's numbers: its own settings, the shared part of
 * the configuration and the code of its plugins, but not which other cells run beside it. Where a search chooses the
 * learning rate, the rates to choose from and the seed of the search decide it.
 */
export function cellId(
  cell: Omit<Cell, 'id'>,
  config: RunConfig,
  registry: Pick<Registry, 'plugins'>,
): string {
  const used = pluginsOf(cell, config, registry);
  const code = used.map(({ kind, digest }) => `${kind} ${digest}`).sort();
  const decides = { ...decidingSettings(cell, config), ...(code.length > 0 && { code }) };
  const digest = createHash('sha256').update(canonicalJson(decides)).digest('hex').slice(0, 8);
  const several = config.models.length > 1 ? [cell.model.split(/[\\/]/).at(-1)!] : [];
  const readable = [cell.label, ...several, cell.backend, cell.device, `s${cell.seed}`]
    .map(slug)
    .filter((part) => part !== '');
  return [...readable, digest].join('-');
}

/** What decides a cell's numbers, but for code: its own settings and the configuration that it shares with others. */
export function decidingSettings(cell: Omit<Cell, 'id'>, config: RunConfig) {
  const { label, learningRate, adapter, ...rest } = cell;
  // The folder's name decides nothing, its files do.
  const others = { ...rest, ...(adapter && { adapter: adapter.sha256 }) };
  const settings =
    cell.learningRates === undefined
      ? { ...others, learningRate }
      : { ...others, searchSeed: config.seeds[0] };
  const { $schema, description, plugins, methods, backends, seeds, models, ...common } = config;
  const { learningRates, ratesChosenFor, keepWeights, published, ...shared } = common;
  return { settings, shared };
}

/** The plugins that a cell uses: its method's, backend's and model's, and those of its phases. */
export function pluginsOf(
  { method, backend, model }: Pick<Cell, 'method' | 'backend' | 'model'>,
  { phases }: Pick<RunConfig, 'phases'>,
  { plugins }: Pick<Registry, 'plugins'>,
): readonly RegisteredPlugin[] {
  const used = {
    methods: [method],
    backends: [backend],
    models: [model],
    datasets: phases.map(({ data }) => data),
    tasks: phases.map(({ task }) => nameAndOptions(task).name),
    protocols: phases.map(({ protocol }) => nameAndOptions(protocol).name),
  };
  return plugins.filter(({ kind, definitions }) => definitions.some((name) => used[kind].includes(name)));
}

function slug(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9.]+/g, '-')
    .replace(/^[-.]+|[-.]+$/g, '')
    .slice(0, 40);
}
