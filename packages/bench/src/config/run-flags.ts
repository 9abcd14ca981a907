import { InputError } from '@kora-bench/core/errors';
import { checkInput } from '../input/check-input.js';
import { withoutLeftResults } from '../published/left-results.js';
import type { PhaseFlags } from './phase-flags.js';
import { changedPhases, dataFlag, protocolFlag } from './phase-flags.js';
import type { MethodEntry, PhaseConfig, RunConfig } from './run-config.js';
import { runConfigSchema } from './run-config.js';
import { fieldOf, setField } from './set-flag.js';

/**
 * What the command line can change in a suite. Numbers that could not be read as such stay text, so that
 * validation can show them.
 */
export interface RunFlags extends PhaseFlags {
  /** Names, labels of the suite, or `name:preset`. */
  readonly method?: readonly string[];
  /** A folder of peft’s: its method, from its values. */
  readonly adapter?: string;
  /** Names or `name:device`. */
  readonly backend?: readonly string[];
  readonly model?: readonly string[];
  readonly seeds?: readonly (number | string)[];
  /** Of phases that do not say otherwise. */
  readonly epochs?: number | string;
  /** Of phases that do not say otherwise. */
  readonly batchSize?: number | string;
  /** Of phases that do not say otherwise; replaces the methods' own rates too. */
  readonly learningRate?: number | string;
  /** Rates to choose from on val for every method, or `default`. */
  readonly learningRates?: 'default' | readonly (number | string)[];
  /** At most this many examples in every split of phases that do not say otherwise. */
  readonly limit?: number | string;
  /** `path=value`: any field, phases by their name, e.g. `phases.depth.training.epochs=3`. */
  readonly set?: readonly string[];
}

/** Whether any flag changes the suite. */
export function changesConfig(flags: RunFlags): boolean {
  return Object.values(flags).some((value) => value !== undefined);
}

/** A configuration before its last check: flags may have put anything into it. */
type Draft = { [Field in keyof RunConfig]: RunConfig[Field] };

/**
 * A suite's configuration with the flags laid over it.
 * @throws InputError naming the flag at fault
 */
export function applyFlags(config: RunConfig, flags: RunFlags): RunConfig {
  const { method, backend, learningRate } = flags;
  checkRates(flags);
  checkAdapter(flags);
  const methods =
    method === undefined
      ? config.methods
      : // Two names may choose the same entry, one by its method and one by its label.
        [...new Set(method.flatMap((name) => chosenMethods(name, config)))];
  const most = (own: number | null) => (flags.limit as number | undefined) ?? own;
  const draft: Draft = {
    ...config,
    methods: learningRate === undefined ? methods : methods.map(({ learningRate: _, ...entry }) => entry),
    backends: backend === undefined ? config.backends : backend.map((name) => chosenBackend(name, config)),
    models: (flags.model as string[] | undefined) ?? config.models,
    phases: changedPhases(config.phases, flags),
    seeds: (flags.seeds as number[] | undefined) ?? config.seeds,
    training: {
      ...config.training,
      epochs: (flags.epochs as number | undefined) ?? config.training.epochs,
      batchSize: (flags.batchSize as number | undefined) ?? config.training.batchSize,
      learningRate: (learningRate as number | undefined) ?? config.training.learningRate,
    },
    learningRates:
      (flags.learningRates as RunConfig['learningRates']) ??
      (learningRate === undefined ? config.learningRates : undefined),
    // Rates that were asked for are the user's choice, not the suite's.
    ratesChosenFor: learningRate === undefined ? config.ratesChosenFor : null,
    limits: {
      trainExamples: most(config.limits.trainExamples),
      valExamples: most(config.limits.valExamples),
      testExamples: most(config.limits.testExamples),
    },
  };
  const changed = (flags.set ?? []).reduce<unknown>(setField, draft);
  const checked = checkInput(runConfigSchema, withoutLeftAnalyses(changed as RunConfig, config.phases), {
    flags: flagPaths(flags, changed as RunConfig),
  });
  return { ...checked, published: withoutLeftResults(checked.published, config, checked) };
}

function checkAdapter({ adapter, method }: RunFlags): void {
  if (adapter === undefined || method === undefined) return;
  throw new InputError('An adapter brings its method along, and others are asked for as well.', {
    where: '--adapter, --method',
    expected: 'one of the two flags',
    received: `--adapter ${adapter} --method ${method.join(',')}`,
    fix: 'Leave --method out; a suite may have methods beside one with "adapter".',
  });
}

function checkRates({ learningRate, learningRates }: RunFlags): void {
  if (learningRate === undefined || learningRates === undefined || learningRates === 'default') return;
  throw new InputError('One learning rate and several to choose from are both asked for.', {
    where: '--learning-rate, --learning-rates',
    expected: 'one of the two flags, or --learning-rates default for a search around --learning-rate',
    received: `--learning-rate ${learningRate} --learning-rates ${learningRates.join(',')}`,
    fix: 'Leave one of them out.',
  });
}

/**
 * Which flag set which field, for errors.
 * @param config with the flags laid over it
 */
export function flagPaths(
  flags: RunFlags,
  config: Pick<RunConfig, 'methods' | 'backends' | 'phases'>,
): ReadonlyMap<string, string> {
  const { methods, backends, phases } = config;
  const each = (field: string, flag: string, values: readonly unknown[] | undefined, inner = '') =>
    (values ?? []).map((_, index) => [`${field}[${index}]${inner}`, flag] as const);
  const one = (field: string, flag: string, value: unknown) =>
    value === undefined ? [] : [[field, flag] as const];
  return new Map([
    ...['.name', '.preset'].flatMap((inner) => each('methods', '--method', flags.method && methods, inner)),
    ...['.name', '.device'].flatMap((inner) =>
      each('backends', '--backend', flags.backend && backends, inner),
    ),
    ...each('models', '--model', flags.model),
    ...phases.flatMap((phase, index) => [
      ...one(`phases[${index}].data`, dataFlag(phase, flags) ?? '', dataFlag(phase, flags)),
      ...one(`phases[${index}].protocol`, '--protocol', protocolFlag(phase, flags)),
    ]),
    ...each('seeds', '--seeds', flags.seeds),
    ...one('seeds', '--seeds', flags.seeds),
    ...one('training.epochs', '--epochs', flags.epochs),
    ...one('training.batchSize', '--batch-size', flags.batchSize),
    ...one('training.learningRate', '--learning-rate', flags.learningRate),
    ...one('learningRates', '--learning-rates', flags.learningRates),
    ...each(
      'learningRates',
      '--learning-rates',
      flags.learningRates === 'default' ? undefined : flags.learningRates,
    ),
    ...one('limits.trainExamples', '--limit', flags.limit),
    ...one('limits.valExamples', '--limit', flags.limit),
    ...one('limits.testExamples', '--limit', flags.limit),
    ...(flags.set ?? []).map((text) => [fieldOf(text, config), '--set'] as const),
  ]);
}

/** Leaves out analyses of phases that the flags left out. */
function withoutLeftAnalyses(config: RunConfig, before: readonly PhaseConfig[]): RunConfig {
  if (!Array.isArray(config.analyses) || !Array.isArray(config.phases)) return config;
  const left = new Set(before.map(({ name }) => name));
  for (const { name } of config.phases) left.delete(name);
  return {
    ...config,
    analyses: config.analyses.filter((entry) => {
      const phase = typeof entry === 'string' ? undefined : entry.options?.['phase'];
      return typeof phase !== 'string' || !left.has(phase);
    }),
  };
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
      ...(preset === undefined ? {} : { preset }),
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
