import { resolve } from 'node:path';
import type { DataContext } from '@kora-bench/core/data';
import { InputError } from '@kora-bench/core/errors';
import type { Architecture } from '@kora-bench/core/nn';
import { resolveModel } from '@kora-bench/models';
import type { AnalysisDefinition } from '../analyses/analysis.js';
import { analyses } from '../analyses/index.js';
import type { ChosenBackend, ChosenMethod } from '../config/configure.js';
import { configureBackend, configureMethod, distinctLabels } from '../config/configure.js';
import type { RunConfig } from '../config/run-config.js';
import { nameAndOptions } from '../config/run-config.js';
import { checkInput, findRegistered, suggestion } from '../input/check-input.js';
import { openDatasets, planPhase } from '../phases/plan-phases.js';
import type { ChosenPhase } from '../phases/resolve-phases.js';
import { resolvePhases } from '../phases/resolve-phases.js';
import { isPluginPath, joinPlugins, readPluginsFile } from '../registry/plugins.js';
import type { Registry } from '../registry/registry.js';
import { loadRegistry } from '../registry/registry.js';

export interface ChosenAnalysis {
  readonly definition: AnalysisDefinition;
  readonly options: unknown;
}

/** A configuration whose every name is known and whose every option is valid. */
export interface ResolvedConfig {
  readonly config: RunConfig;
  readonly methods: readonly ChosenMethod[];
  readonly backends: readonly ChosenBackend[];
  readonly phases: readonly ChosenPhase[];
  readonly analyses: readonly ChosenAnalysis[];
  readonly registry: Registry;
}

/**
 * Loads the plugins and looks up all names of a configuration. Reads no weights and no data.
 * @param flags which flag set which field, for errors
 * @throws InputError for unknown names, options that are not valid, and data without the targets of its task
 */
export async function resolveConfig(
  config: RunConfig,
  flags: ReadonlyMap<string, string> = new Map(),
  cwd = process.cwd(),
): Promise<ResolvedConfig> {
  const plugins = joinPlugins(config.plugins, await readPluginsFile(cwd), cwd);
  const registry = await loadRegistry(plugins, cwd);
  const entries = distinctLabels(config.methods);
  const absolute = (name: string) => (isPluginPath(name) ? resolve(cwd, name) : name);
  const resolved: RunConfig = {
    ...config,
    plugins,
    methods: entries,
    models: config.models.map(absolute),
    phases: config.phases.map((phase) => ({ ...phase, data: absolute(phase.data) })),
  };
  const methods = entries.map((entry, index) =>
    configureMethod(registry.methods, entry, `methods[${index}]`, flags),
  );
  const backends = config.backends.map((entry, index) =>
    configureBackend(registry.backends, entry, `backends[${index}]`, flags),
  );
  for (const name of resolved.models) {
    const { model } = await resolveModel(name, [...registry.models.values()]);
    for (const method of methods) requireFit(method, model);
  }
  const phases = await resolvePhases(resolved, registry, flags);
  return { config: resolved, methods, backends, phases, analyses: chooseAnalyses(resolved), registry };
}

/**
 * A method says what does not fit a model, e.g. a width larger than a layer, where it lists its parameters.
 * @throws InputError where it says so; what else goes wrong there is a fault of the method, for its cells' records
 */
function requireFit({ definition, options }: ChosenMethod, model: Architecture): void {
  try {
    definition.parameters(model, options);
  } catch (error) {
    if (error instanceof InputError) throw error;
  }
}

function chooseAnalyses({ analyses: entries, phases }: RunConfig): readonly ChosenAnalysis[] {
  const names = entries.map((entry) => nameAndOptions(entry).name);
  return entries.map((entry, index) => {
    const field = `analyses[${index}]`;
    const { name, options } = nameAndOptions(entry);
    if (names.indexOf(name) !== index) {
      throw new InputError(`The analysis ${name} is asked for twice.`, {
        where: field,
        expected: 'analyses that are each named once: a record keeps one result of each',
        received: names.join(', '),
        fix: 'Remove one of them.',
      });
    }
    const definition = findRegistered(analyses, 'analysis', name, field);
    const checked = checkInput(definition.options, options, { prefix: `${field}.options` });
    const { phase } = checked as { readonly phase?: string };
    if (phase !== undefined && !phases.some((one) => one.name === phase)) {
      const names = phases.map((one) => one.name);
      throw new InputError(`There is no phase "${phase}" to look at.`, {
        where: `${field}.options.phase`,
        expected: `one of ${names.join(', ')}`,
        received: phase,
        fix: suggestion(phase, names, 'Name a phase of this run.'),
      });
    }
    return { definition, options: checked };
  });
}

/**
 * Opens the backbones' headers and the data of every phase and takes the examples of every method, so that
 * what is missing, broken or too small is reported before the first cell starts.
 * @throws MissingDataError | FormatError | CheckpointError | InputError
 */
export async function checkData(
  { config, registry, methods, phases }: ResolvedConfig,
  context: DataContext,
): Promise<void> {
  for (const model of config.models) await checkWeights(model, registry, context);
  const datasets = await openDatasets(phases, context);
  for (const name of config.models) {
    const model = await resolveModel(name, [...registry.models.values()]);
    for (const method of methods) {
      const settings = {
        config,
        method,
        model: model.model,
        learningRate: method.learningRate ?? config.training.learningRate,
        seed: config.seeds[0]!,
        preprocessing: model.preprocessing,
      };
      for (const phase of phases) planPhase(phase, datasets.get(phase.config.data)!, settings);
    }
  }
}

/** A folder's headers were read when its name was resolved. */
async function checkWeights(name: string, registry: Registry, context: DataContext): Promise<void> {
  const model = await resolveModel(name, [...registry.models.values()]);
  if (model.embedded) await model.load(context);
  else await model.check?.(context);
}
