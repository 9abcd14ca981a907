import { createHash } from 'node:crypto';
import { InputError } from '@kora-bench/core/errors';
import type { RunConfig } from '../config/run-config.js';
import { canonicalJson } from '../input/json.js';
import type { Cell } from '../records/record-schema.js';
import type { ResolvedConfig } from './resolve-config.js';

/**
 * The cells of a run: every model with every method on every backend with every seed, in that order of loops.
 * @throws InputError when two of them would be the same
 */
export function planCells({ config, methods, backends }: ResolvedConfig): Cell[] {
  const cells: Cell[] = [];
  for (const model of config.models) {
    for (const method of methods) {
      for (const backend of backends) {
        for (const seed of config.seeds) {
          const cell = {
            label: method.label,
            method: method.definition.name,
            options: { ...(method.options as Record<string, unknown>) },
            learningRate: method.learningRate ?? config.training.learningRate,
            backend: backend.definition.name,
            device: backend.device,
            backendOptions: { ...(backend.options as Record<string, unknown>) },
            model,
            seed,
          };
          cells.push({ id: cellId(cell, config), ...cell });
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
 * A readable name with a digest of everything that decides the cell's numbers: its own settings and the
 * shared part of the configuration, but not which other cells run beside it.
 */
function cellId(cell: Omit<Cell, 'id'>, config: RunConfig): string {
  const { label, ...settings } = cell;
  const { $schema, description, plugins, methods, backends, seeds, models, ...shared } = config;
  const digest = createHash('sha256').update(canonicalJson({ settings, shared })).digest('hex').slice(0, 8);
  const several = models.length > 1 ? [cell.model.split(/[\\/]/).at(-1)!] : [];
  const readable = [label, ...several, cell.backend, cell.device, `s${cell.seed}`]
    .map(slug)
    .filter((part) => part !== '');
  return [...readable, digest].join('-');
}

function slug(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9.]+/g, '-')
    .replace(/^[-.]+|[-.]+$/g, '')
    .slice(0, 40);
}
