import { isAbsolute, relative, resolve, sep } from 'node:path';
import { readRecordIfValid } from '../records/record-files.js';
import type { Cell, DoneRecord } from '../records/record-schema.js';
import type { RunPlan } from '../records/run-folder.js';
import { isPluginPath } from '../registry/plugins.js';
import type { RegisteredPlugin } from '../registry/registry.js';
import { planCells, pluginsOf } from './plan-cells.js';
import type { ResolvedConfig } from './resolve-config.js';

/**
 * The cells of an earlier run, planned again: those that use plugins with the ids and options that today's code gives
 * them. What the suite itself brings along is left as it was planned.
 */
export function replanCells({ cells, config }: RunPlan, resolved: ResolvedConfig): readonly Cell[] {
  const today = planCells(resolved);
  // One configuration lists the same cells in the same order each time.
  if (today.length !== cells.length) return today;
  return today.map((cell, index) =>
    pluginsOf(cell, config, resolved.registry).length === 0 ? cells[index]! : cell,
  );
}

/** What `--resume` does again because other code made it. */
export interface OutdatedCells {
  readonly count: number;
  /** The plugins whose code is another now, as the configuration calls them. */
  readonly plugins: readonly string[];
}

/**
 * Which finished cells of the plan before no longer count, for want of a record by today's code.
 * @param cellsBefore one for each cell of the plan
 */
export async function outdatedCells(
  runDir: string,
  { plan, cellsBefore }: { readonly plan: RunPlan; readonly cellsBefore: readonly Cell[] },
  { registry }: Pick<ResolvedConfig, 'registry'>,
): Promise<OutdatedCells> {
  const names = new Set<string>();
  let count = 0;
  for (const [index, before] of cellsBefore.entries()) {
    const cell = plan.cells[index];
    if (cell === undefined || cell.id === before.id) continue;
    const [record, now] = [
      await readRecordIfValid(runDir, before.id),
      await readRecordIfValid(runDir, cell.id),
    ];
    if (record?.status !== 'done' || now?.status === 'done') continue;
    count++;
    for (const plugin of pluginsOf(cell, plan.config, registry))
      if (!wasMadeBy(record.code, plugin)) names.add(plugin.name);
  }
  return { count, plugins: [...names] };
}

function wasMadeBy({ plugins }: DoneRecord['code'], { kind, digest }: RegisteredPlugin): boolean {
  return plugins.some((plugin) => plugin.kind === kind && plugin.digest === digest);
}

/** A plugin as its user wrote it, as far as that can be told: paths are kept whole, so that any process finds them. */
export function shownPlugin(name: string, cwd = process.cwd()): string {
  if (!isPluginPath(name)) return name;
  const path = relative(cwd, resolve(cwd, name));
  return path.startsWith('..') || isAbsolute(path) ? name : `./${path.split(sep).join('/')}`;
}
