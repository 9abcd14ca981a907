import { checkInput } from './check-input.js';
import type { MethodEntry, RunConfig } from './run-config.js';
import { runConfigSchema } from './run-config.js';

/**
 * What the command line can change in a suite. Numbers that could not be read as such stay text, so that
 * validation can show them.
 */
export interface RunFlags {
  /** Names, labels of the suite, or `name:preset`. */
  readonly method?: readonly string[];
  /** Names or `name:device`. */
  readonly backend?: readonly string[];
  readonly model?: string;
  readonly source?: string;
  readonly target?: string;
  readonly depth?: string;
  readonly task?: readonly string[];
  readonly protocol?: readonly string[];
  readonly seeds?: readonly (number | string)[];
  /** Of the training on the source task. */
  readonly epochs?: number | string;
  /** Of the training on the source task. */
  readonly batchSize?: number | string;
  /** Of the training on the source task; replaces the methods' own rates too. */
  readonly learningRate?: number | string;
  /** At most this many examples in every training and validation split. */
  readonly limit?: number | string;
}

/** Whether any flag changes the suite. */
export function changesConfig(flags: RunFlags): boolean {
  return Object.values(flags).some((value) => value !== undefined);
}

/**
 * A suite's configuration with the flags laid over it.
 * @throws InputError naming the flag at fault
 */
export function applyFlags(config: RunConfig, flags: RunFlags): RunConfig {
  const { method, backend, learningRate } = flags;
  const methods =
    method === undefined ? config.methods : method.flatMap((name) => chosenMethods(name, config));
  const value = {
    ...config,
    methods: learningRate === undefined ? methods : methods.map(({ learningRate: _, ...entry }) => entry),
    backends: backend === undefined ? config.backends : backend.map((name) => chosenBackend(name, config)),
    model: flags.model ?? config.model,
    source: flags.source ?? config.source,
    target: flags.target ?? config.target,
    depth: flags.depth ?? config.depth,
    tasks: flags.task ?? config.tasks,
    protocols: flags.protocol ?? config.protocols,
    seeds: flags.seeds ?? config.seeds,
    training: {
      ...config.training,
      epochs: flags.epochs ?? config.training.epochs,
      batchSize: flags.batchSize ?? config.training.batchSize,
      learningRate: learningRate ?? config.training.learningRate,
    },
    limits: {
      trainExamples: flags.limit ?? config.limits.trainExamples,
      valExamples: flags.limit ?? config.limits.valExamples,
    },
  };
  return checkInput(runConfigSchema, value, { flags: flagPaths(flags) });
}

/** Which flag set which field, for errors. */
export function flagPaths(flags: RunFlags): ReadonlyMap<string, string> {
  const each = (field: string, flag: string, values: readonly unknown[] | undefined, inner = '') =>
    (values ?? []).map((_, index) => [`${field}[${index}]${inner}`, flag] as const);
  const one = (field: string, flag: string, value: unknown) =>
    value === undefined ? [] : [[field, flag] as const];
  return new Map([
    ...each('methods', '--method', flags.method, '.name'),
    ...each('methods', '--method', flags.method, '.preset'),
    ...each('backends', '--backend', flags.backend, '.name'),
    ...each('backends', '--backend', flags.backend, '.device'),
    ...one('model', '--model', flags.model),
    ...one('source', '--source', flags.source),
    ...one('target', '--target', flags.target),
    ...one('depth', '--depth', flags.depth),
    ...each('tasks', '--task', flags.task),
    ...each('protocols', '--protocol', flags.protocol),
    ...each('seeds', '--seeds', flags.seeds),
    ...one('seeds', '--seeds', flags.seeds),
    ...one('training.epochs', '--epochs', flags.epochs),
    ...one('training.batchSize', '--batch-size', flags.batchSize),
    ...one('training.learningRate', '--learning-rate', flags.learningRate),
    ...one('limits.trainExamples', '--limit', flags.limit),
    ...one('limits.valExamples', '--limit', flags.limit),
  ]);
}

/** The suite's own entries of that name or label; an entry with defaults if it has none. */
function chosenMethods(choice: string, { methods }: RunConfig): MethodEntry[] {
  const own = methods.filter(({ name, label }) => name === choice || label === choice);
  if (own.length > 0) return own;
  const { name, rest: preset } = split(choice);
  const learningRate = methods.find((entry) => entry.name === name)?.learningRate;
  return [
    {
      name,
      options: {},
      ...(preset === undefined ? {} : { preset, label: choice }),
      ...(learningRate === undefined ? {} : { learningRate }),
    },
  ];
}

function chosenBackend(choice: string, { backends }: RunConfig): RunConfig['backends'][number] {
  const { name, rest: device } = split(choice);
  const options = backends.find((entry) => entry.name === name)?.options ?? {};
  return { name, options, ...(device === undefined ? {} : { device }) };
}

function split(choice: string): { readonly name: string; readonly rest: string | undefined } {
  const colon = choice.indexOf(':');
  return colon < 0
    ? { name: choice, rest: undefined }
    : { name: choice.slice(0, colon), rest: choice.slice(colon + 1) };
}
