import { resolve } from 'node:path';
import type { DataContext } from '@kora-bench/core/data';
import { InputError } from '@kora-bench/core/errors';
import type { Architecture } from '@kora-bench/core/nn';
import type { ConfiguredMethod } from '@kora-bench/core/peft';
import { methodParameters, stagesOf } from '@kora-bench/core/peft';
import { traceModel } from '@kora-bench/core/training';
import type { ModelDefinition } from '@kora-bench/models';
import { resolveModel } from '@kora-bench/models';
import { withAdapterOptions } from '../adapter-start/open-adapter.js';
import type { AnalysisDefinition } from '../analyses/analysis.js';
import { analyses, phaseLookedAt } from '../analyses/index.js';
import type { ChosenBackend, ChosenMethod } from '../config/configure.js';
import { configureBackend, configureMethod, distinctLabels, place } from '../config/configure.js';
import type { RunConfig } from '../config/run-config.js';
import { nameAndOptions } from '../config/run-config.js';
import { checkInput, findRegistered, suggestion } from '../input/check-input.js';
import type { PlannedPhase } from '../phases/plan-phases.js';
import { inField, openDatasets, planPhase } from '../phases/plan-phases.js';
import type { ChosenPhase } from '../phases/resolve-phases.js';
import { resolvePhases } from '../phases/resolve-phases.js';
import { checkPublished, checkPublishedMeasures } from '../published/check-published.js';
import { isPluginPath, joinPlugins, readPluginsFile } from '../registry/plugins.js';
import type { Registry } from '../registry/registry.js';
import { loadRegistry } from '../registry/registry.js';
import { checkAblations, checkParameterBudgets } from './ablation-budgets.js';
import { checkSearch, withSearchedPhase } from './learning-rates.js';

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
  /** Which flag set which field, for errors. */
  readonly flags: ReadonlyMap<string, string>;
}

/**
 * Loads the plugins and looks up all names of a configuration. Reads no data, and no weights but of what adapters go on.
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
  const { methods: named, phases: asked } = withSearchedPhase(config);
  const absolute = (name: string) => (isPluginPath(name) ? resolve(cwd, name) : name);
  const labelled = distinctLabels(named).map((entry) =>
    entry.adapter === undefined ? entry : { ...entry, adapter: resolve(cwd, entry.adapter) },
  );
  const models = config.models.map(absolute);
  const { entries, adapters } = await withAdapterOptions(labelled, models, registry);
  const resolved: RunConfig = {
    ...config,
    plugins,
    methods: [...entries],
    models,
    phases: asked.map((phase) => ({ ...phase, data: absolute(phase.data) })),
  };
  const methods = entries.map((entry, index) => {
    const adapter = adapters.get(index);
    const method = configureMethod(registry.methods, entry, `methods[${index}]`, flags);
    return adapter === undefined ? method : { ...method, adapter };
  });
  checkAblations(entries, methods, resolved);
  checkPublished(
    resolved,
    methods.map(({ label }) => label),
  );
  const backends = config.backends.map((entry, index) =>
    configureBackend(registry.backends, entry, `backends[${index}]`, flags),
  );
  const phases = await resolvePhases(resolved, registry, flags);
  return { config: resolved, methods, backends, phases, analyses: chooseAnalyses(resolved), registry, flags };
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

/** A method's phases on one backbone, with the first seed. */
export interface PlannedMethod {
  /** As the configuration names it. */
  readonly model: string;
  readonly architecture: Architecture;
  /** Of the method. */
  readonly label: string;
  /** It has no parameters of its own, and leaves the backbone as it is. */
  readonly trainsHeadAlone: boolean;
  readonly phases: readonly PlannedPhase[];
}

/**
 * Opens the backbones' headers and the data of every phase and takes the examples of every method, so that
 * what is missing, broken or too small is reported before the first cell starts.
 * @returns what every method does on every backbone
 * @throws MissingDataError | FormatError | CheckpointError | InputError
 */
export async function checkData(
  { config, registry, methods, phases, analyses: chosen, flags }: ResolvedConfig,
  context: DataContext,
): Promise<readonly PlannedMethod[]> {
  const models: ModelDefinition[] = [];
  for (const [index, name] of config.models.entries()) {
    const where = place(`models[${index}]`, flags);
    const model = await resolveModel(name, [...registry.models.values()], context, where);
    await checkWeights(model, context);
    models.push(model);
  }
  const datasets = await openDatasets(phases, context);
  const planned: PlannedMethod[] = [];
  for (const [index, name] of config.models.entries()) {
    const model = models[index]!;
    checkParameterBudgets(config, methods, model.model);
    for (const method of methods) {
      const settings = {
        config,
        method,
        model: model.model,
        learningRate: method.learningRate ?? config.training.learningRate,
        seed: config.seeds[0]!,
        preprocessing: model.preprocessing,
      };
      const found = phases.map((phase) => planPhase(phase, datasets.get(phase.config.data)!, settings));
      if (config.learningRates !== undefined) checkSearch(found[0]!);
      checkPublishedMeasures(config, found, { name, depth: model.model.depth });
      checkMethod(method, model.model, found[0]!);
      for (const [index, { definition, options }] of chosen.entries()) {
        const look = { model: model.model, method, planned: found[phaseLookedAt(found, options)]! };
        inField(`analyses[${index}].options`, () => definition.check?.(look, options));
      }
      planned.push({
        model: name,
        architecture: model.model,
        label: method.label,
        trainsHeadAlone:
          method.definition.trainsBackbone === undefined &&
          methodParameters(method, model.model).length === 0,
        phases: found,
      });
    }
  }
  return planned;
}

/** Traces a method on a model, stage by stage: what cannot be traced is refused before anything trains. */
function checkMethod(
  method: ConfiguredMethod,
  model: Architecture,
  { taskFor, draws: [draw] }: PlannedPhase,
): void {
  for (const { name: stage } of stagesOf(method)) {
    const task = taskFor(draw.train);
    traceModel({ model, method, task, batchSize: 2, stage, trains: () => false }, { training: true });
  }
}

/** The headers of a folder, or of a repository's files, were read when its name was resolved. */
async function checkWeights(model: ModelDefinition, context: DataContext): Promise<void> {
  if (model.embedded) await model.load(context);
  else await model.check?.(context);
}
