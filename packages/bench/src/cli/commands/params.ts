import type { ConfiguredMethod, MethodDefinition } from '@kora-bench/core/peft';
import { countParameters } from '@kora-bench/core/training';
import { resolveModel } from '@kora-bench/models';
import { dataFolders } from '@kora-bench/platform-node/data-folders';
import { classificationTask } from '@kora-bench/tasks';
import { configureMethod } from '../../config/configure.js';
import { loadSuite } from '../../config/load-suite.js';
import type { MethodEntry } from '../../config/run-config.js';
import { applyFlags, flagPaths } from '../../config/run-flags.js';
import { canonicalJson } from '../../input/json.js';
import type { Plugins } from '../../registry/plugins.js';
import { readPluginsFile } from '../../registry/plugins.js';
import { loadKind } from '../../registry/registry.js';
import { percent, plainTable } from '../../table/text-table.js';
import { exitCode, printJson, printResult } from './output.js';

export interface ParamsOptions {
  readonly model: string;
  readonly classes: number;
  readonly method?: readonly string[];
  readonly json?: boolean;
}

/** Counts trainable parameters without loading weights. */
export async function params({ model: name, classes, method, json }: ParamsOptions): Promise<number> {
  const plugins = await readPluginsFile();
  const [methods, models] = await Promise.all([
    loadKind('methods', plugins.methods),
    loadKind('models', plugins.models),
  ]);
  const { model } = await resolveModel(name, [...models.values()], dataFolders(), '--model');
  const flags = method === undefined ? {} : { method };
  const suite = applyFlags((await loadSuite('default')).config, flags);
  const entries =
    method === undefined
      ? [...(await usualEntries()), ...(await ownEntries(plugins, methods))]
      : suite.methods;
  const paths = flagPaths(flags, suite);
  const chosen = entries.map((entry, index) => configureMethod(methods, entry, `methods[${index}]`, paths));
  const task = classificationTask(classes);
  const counted = withoutRepetitions(chosen).map((configured) => ({
    method: configured.definition.name,
    options: configured.options,
    ...countParameters(model, configured, task),
  }));
  const result = {
    model: model.name,
    classes,
    backboneParameters: counted[0]!.backbone,
    methods: counted.map(({ method, options, trainable, share }) => ({ method, options, trainable, share })),
  };
  if (json) printJson(result);
  else printResult(paramsText(result));
  return exitCode.done;
}

/** What the default suite trains, and the published settings. */
async function usualEntries(): Promise<MethodEntry[]> {
  const suites = await Promise.all(['default', 'published'].map((name) => loadSuite(name)));
  return suites.flatMap(({ config }) => config.methods);
}

/** Every method of a plugin, with its defaults. */
async function ownEntries(
  { methods: names }: Plugins,
  methods: ReadonlyMap<string, MethodDefinition>,
): Promise<MethodEntry[]> {
  if (names.length === 0) return [];
  const shipped = await loadKind('methods');
  return [...methods.keys()].filter((name) => !shipped.has(name)).map((name) => ({ name, options: {} }));
}

function withoutRepetitions<T extends ConfiguredMethod>(methods: readonly T[]): T[] {
  const seen = new Set<string>();
  return methods.filter(({ definition, options }) => {
    const key = canonicalJson([definition.name, options]);
    return !seen.has(key) && seen.add(key);
  });
}

interface Params {
  readonly model: string;
  readonly classes: number;
  readonly backboneParameters: number;
  readonly methods: readonly { method: string; options: unknown; trainable: number; share: number }[];
}

function paramsText({ model, classes, backboneParameters, methods }: Params): string {
  const table = plainTable(
    [
      { title: 'method' },
      { title: 'trainable', numeric: true },
      { title: 'tuned %', numeric: true },
      { title: 'options' },
    ],
    methods.map(({ method, options, trainable, share }) => [
      method,
      trainable.toLocaleString('en-US'),
      percent(share, 4),
      Object.entries(options as Record<string, unknown>)
        .map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
        .join('\n'),
    ]),
  );
  const count = backboneParameters.toLocaleString('en-US');
  return `${model}: ${count} parameters, ${classes} classes\n${table}\ntuned % = trainable / (backbone + what is added)`;
}
