import { resolve } from 'node:path';
import type { DataContext } from '@kora-bench/core/data';
import { loadModel } from '@kora-bench/models';
import { dataFolders } from '@kora-bench/platform-node/data-folders';
import { openAdapter, withAdapterMethod } from '../../adapter-start/open-adapter.js';
import { loadSuite, quickSuite } from '../../config/load-suite.js';
import type { RunConfig } from '../../config/run-config.js';
import type { RunFlags } from '../../config/run-flags.js';
import { applyFlags, changesConfig, flagPaths } from '../../config/run-flags.js';
import type { PlannedMethod, ResolvedConfig } from '../../plan/resolve-config.js';
import { checkData, resolveConfig } from '../../plan/resolve-config.js';
import { findRun, readPlan } from '../../records/run-folder.js';
import { joinPlugins, readPluginsFile } from '../../registry/plugins.js';
import { loadRegistry } from '../../registry/registry.js';
import type { Severity } from './audit.js';

/** What is asked of a run besides its configuration. */
export interface RunSettings {
  readonly suite?: string;
  readonly quick?: boolean;
  readonly out?: string;
  readonly resume?: boolean;
  readonly dryRun?: boolean;
  /** Whether to measure beforehand how long the run will take; true by default. */
  readonly estimate?: boolean;
  readonly takeLock?: boolean;
  /** Keep what each cell trains. */
  readonly keepWeights?: boolean;
  /** After so many, no more cells are started. */
  readonly minutes?: number;
  /** Milliseconds, like the next. */
  readonly cellTimeout?: number;
  readonly hangTimeout?: number;
  readonly failOn?: Severity;
  readonly json?: boolean;
}

export interface RunOptions extends RunFlags, RunSettings {}

/** What is to be run, before anything is written. */
export interface AskedRun {
  readonly resolved: ResolvedConfig;
  readonly suite: string;
  /** Undefined for a folder that is still to be named. */
  readonly runDir: string | undefined;
  readonly resumes: boolean;
  readonly changesConfig: boolean;
  readonly planned: readonly PlannedMethod[];
}

/** The flags that change the configuration, and those that do not. */
export function splitOptions(options: RunOptions): {
  readonly settings: RunSettings;
  readonly flags: RunFlags;
} {
  const {
    suite,
    quick,
    out,
    resume,
    dryRun,
    estimate,
    takeLock,
    keepWeights,
    minutes,
    cellTimeout,
    hangTimeout,
    failOn,
    json,
    ...flags
  } = options;
  const given = {
    ...{ suite, quick, out, resume, dryRun, estimate, takeLock, keepWeights },
    ...{ minutes, cellTimeout, hangTimeout, failOn, json },
  };
  const settings = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return { settings, flags };
}

/** Looks everything up and checks it; writes nothing. */
export async function resolveRun(
  settings: RunSettings,
  flags: RunFlags,
  context: DataContext,
): Promise<AskedRun> {
  const { suite: suiteName, quick, out, resume: resumes = false } = settings;
  const asked = suiteName !== undefined || quick === true || changesConfig(flags);
  const runDir = resumes ? await findRun(out ?? 'latest') : out === undefined ? undefined : resolve(out);
  const found =
    resumes && runDir !== undefined && !asked
      ? await resolveStored(runDir)
      : await resolveAsked(settings, flags);
  const resolved = settings.keepWeights
    ? { ...found.resolved, config: { ...found.resolved.config, keepWeights: true } }
    : found.resolved;
  const planned = await checkData(resolved, context);
  return { ...found, resolved, runDir, resumes, changesConfig: asked, planned };
}

async function resolveAsked({ suite: suiteName, quick }: RunSettings, flags: RunFlags) {
  const suite =
    suiteName === undefined
      ? await loadSuite(quick === true ? quickSuite : 'default')
      : await loadSuite(suiteName, quick === true);
  const config = await withAdapter(applyFlags(suite.config, flags), flags.adapter);
  return { resolved: await resolveConfig(config, flagPaths(flags, config)), suite: suite.name };
}

/** The configuration with the method of `--adapter`, as far as it was given. */
async function withAdapter(config: RunConfig, adapter: string | undefined): Promise<RunConfig> {
  if (adapter === undefined) return config;
  const registry = await loadRegistry(joinPlugins(config.plugins, await readPluginsFile()));
  const checkpoint = await loadModel(config.models[0]!, dataFolders(), {}, [...registry.models.values()]);
  const folder = resolve(adapter);
  return withAdapterMethod(config, folder, await openAdapter(folder, checkpoint, registry));
}

async function resolveStored(runDir: string) {
  const { config, suite } = await readPlan(runDir);
  return { resolved: await resolveConfig(config), suite };
}
