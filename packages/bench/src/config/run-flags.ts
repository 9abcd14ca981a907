import { InputError } from '@kora-bench/core/errors';
import { checkInput, suggestion } from '../input/check-input.js';
import { withoutLeftResults } from '../published/left-results.js';
import type { MethodEntry, PhaseConfig, RunConfig } from './run-config.js';
import { nameAndOptions, runConfigSchema } from './run-config.js';

/**
 * What the command line can change in a suite. Numbers that could not be read as such stay text, so that
 * validation can show them.
 */
export interface RunFlags {
  /** Names, labels of the suite, or `name:preset`. */
  readonly method?: readonly string[];
  /** A folder of peft’s: its method, from its values. */
  readonly adapter?: string;
  /** Names or `name:device`. */
  readonly backend?: readonly string[];
  readonly model?: readonly string[];
  /** Data of the phase `source`, and of those whose names begin with `source-`. */
  readonly source?: string;
  /** Data of the phases that train a head alone. */
  readonly target?: string;
  /** Data of the phase `depth`. */
  readonly depth?: string;
  /** `phase=data set`. */
  readonly data?: readonly string[];
  /** Phases to run, by their name or their task's; what they start from runs too. */
  readonly task?: readonly string[];
  /** Protocols of the phases that train a head alone, or `phase=protocol`. */
  readonly protocol?: readonly string[];
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
    method === undefined ? config.methods : method.flatMap((name) => chosenMethods(name, config));
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

/** `phases[2].training.epochs` for `phases.depth.training.epochs=3`. */
function fieldOf(text: string, config: object): string {
  let value: unknown = config;
  return text
    .slice(0, Math.max(0, text.indexOf('=')))
    .split('.')
    .reduce((field, key) => {
      const at = Array.isArray(value) ? entryAt(value, key) : -1;
      value = Array.isArray(value)
        ? value[at]
        : (value as Readonly<Record<string, unknown>> | undefined)?.[key];
      return at >= 0 ? `${field}[${at}]` : field === '' ? key : `${field}.${key}`;
    }, '');
}

/** The flag that gives a phase its protocol, if one does. */
function protocolFlag({ name, trains }: PhaseConfig, { protocol }: RunFlags): string | undefined {
  return protocol?.some((text) => (text.includes('=') ? text.startsWith(`${name}=`) : trains === 'head'))
    ? '--protocol'
    : undefined;
}

/** The flag that gives a phase its data, if one does. */
function dataFlag({ name, trains }: PhaseConfig, flags: RunFlags): string | undefined {
  if (flags.data?.some((pair) => pair.startsWith(`${name}=`))) return '--data';
  if (isSource(name) && flags.source !== undefined) return '--source';
  if (name === 'depth' && flags.depth !== undefined) return '--depth';
  return trains === 'head' && flags.target !== undefined ? '--target' : undefined;
}

/** The first task, in whatever forms a suite has it. */
function isSource(name: string): boolean {
  return name === 'source' || name.startsWith('source-');
}

function changedPhases(phases: readonly PhaseConfig[], flags: RunFlags): PhaseConfig[] {
  const names = phases.map(({ name }) => name);
  const pairs = new Map((flags.data ?? []).map((text) => assignment(text, '--data', names)));
  requirePhase('--source', flags.source, phases, ({ name }) => isSource(name));
  requirePhase('--depth', flags.depth, phases, ({ name }) => name === 'depth');
  requirePhase('--target', flags.target, phases, ({ trains }) => trains === 'head');
  const withData = phases.map((phase) => {
    const { name, trains } = phase;
    const data =
      pairs.get(name) ??
      (isSource(name) ? flags.source : undefined) ??
      (name === 'depth' ? flags.depth : undefined) ??
      (trains === 'head' ? flags.target : undefined);
    return data === undefined ? phase : { ...phase, data };
  });
  const dataOf = (asked: string | undefined) => withData.find(({ name }) => name === asked)?.data;
  const sameData = withData.map((phase) => ({ ...phase, data: dataOf(phase.headOf) ?? phase.data }));
  return chosenPhases(withProtocols(sameData, flags.protocol), flags.task);
}

function requirePhase(
  flag: string,
  value: string | undefined,
  phases: readonly PhaseConfig[],
  fits: (phase: PhaseConfig) => boolean,
): void {
  if (value === undefined || phases.some(fits)) return;
  throw new InputError(`No phase of this suite takes its data from ${flag}.`, {
    where: flag,
    expected: `--data phase=name with one of ${phases.map(({ name }) => name).join(', ')}`,
    received: value,
    fix: `Use --data ${phases[0]!.name}=${value}, or another --suite.`,
  });
}

/**
 * `--protocol` of the phases that train a head alone, the measurement of transfer: with several protocols
 * each such phase becomes one phase per protocol. `phase=protocol` changes one phase.
 */
function withProtocols(
  phases: readonly PhaseConfig[],
  protocols: readonly string[] | undefined,
): PhaseConfig[] {
  if (protocols === undefined) return [...phases];
  const names = phases.map(({ name }) => name);
  const single = new Map(
    protocols.filter((text) => text.includes('=')).map((text) => assignment(text, '--protocol', names)),
  );
  const plain = protocols.filter((text) => !text.includes('='));
  const named = phases.map((phase) => {
    const protocol = single.get(phase.name);
    return protocol === undefined ? phase : { ...phase, protocol };
  });
  if (plain.length === 0) return named;
  const heads = named.filter(({ trains }) => trains === 'head');
  const [first] = heads;
  if (first === undefined) {
    throw new InputError('No phase of this suite measures transfer.', {
      where: '--protocol',
      expected: `phase=protocol with one of ${names.join(', ')}`,
      received: plain.join(', '),
      fix: `Use --protocol ${names[0]}=${plain[0]}.`,
    });
  }
  // The suite's own phase keeps its options where it has this protocol already.
  const made = plain.map((protocol): PhaseConfig => {
    const own = heads.find((phase) => nameAndOptions(phase.protocol).name === protocol);
    const base = own ?? { ...first, protocol };
    return { ...base, name: plain.length === 1 ? first.name : `${first.name}-${protocol}` };
  });
  return named.flatMap((phase) => (phase === first ? made : heads.includes(phase) ? [] : [phase]));
}

/** The phases of the asked names or tasks, and those that they start from or have their head of. */
function chosenPhases(phases: readonly PhaseConfig[], asked: readonly string[] | undefined): PhaseConfig[] {
  if (asked === undefined) return [...phases];
  const fits = ({ name, task }: PhaseConfig, text: string) =>
    name === text || name.startsWith(`${text}-`) || nameAndOptions(task).name === text;
  const wanted = new Set<string>();
  for (const text of asked) {
    const exact = phases.filter(({ name }) => name === text);
    const found = exact.length > 0 ? exact : phases.filter((phase) => fits(phase, text));
    if (found.length === 0) {
      const names = [...new Set(phases.flatMap(({ name, task }) => [name, nameAndOptions(task).name]))];
      throw new InputError(`No phase of this suite is called "${text}" or has that task.`, {
        where: '--task',
        expected: `one of ${names.join(', ')}`,
        received: text,
        fix: suggestion(text, names, 'Choose one of these, or a suite that has it; see `list suites`.'),
      });
    }
    for (const { name } of found) wanted.add(name);
  }
  const kept: PhaseConfig[] = [];
  const needed = new Set<string>();
  for (const phase of phases.toReversed()) {
    if (!wanted.has(phase.name) && !needed.has(phase.name)) continue;
    if (phase.from !== null) needed.add(phase.from);
    if (phase.headOf !== undefined) wanted.add(phase.headOf);
    // What is only a step on the way is trained, not scored.
    kept.unshift(wanted.has(phase.name) ? phase : { ...phase, evaluate: [] });
  }
  return kept;
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

/** `name=value`, with a known name. */
function assignment(text: string, flag: string, names: readonly string[]): [string, string] {
  const at = text.indexOf('=');
  const name = text.slice(0, Math.max(0, at));
  if (at > 0 && names.includes(name) && at < text.length - 1) return [name, text.slice(at + 1)];
  throw new InputError(`${flag} is not valid.`, {
    where: flag,
    expected: `phase=name, the phase one of ${names.join(', ')}`,
    received: text,
    fix: suggestion(name, names, `Write e.g. ${flag} ${names[0]}=….`),
  });
}

/** Lays one `path=value` over a configuration; what is wrong with it shows when the whole is checked. */
function setField(config: unknown, text: string): unknown {
  const at = text.indexOf('=');
  if (at <= 0) {
    throw new InputError('--set is not valid.', {
      where: '--set',
      expected: 'path=value, e.g. phases.source.training.epochs=3',
      received: text,
      fix: 'Write the path of a field, an equals sign and its value.',
    });
  }
  return changed(config, text.slice(0, at).split('.'), jsonOrText(text.slice(at + 1)), text);
}

function changed(value: unknown, path: readonly string[], to: unknown, text: string): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return to;
  if (Array.isArray(value)) {
    const at = entryAt(value, key);
    if (at < 0) {
      const names = value.map((entry, index) => entryName(entry) ?? String(index));
      throw new InputError(`--set names no entry "${key}".`, {
        where: `--set ${text}`,
        expected: `one of ${names.join(', ')}`,
        received: key,
        fix: suggestion(key, names, 'Choose one of these.'),
      });
    }
    return value.with(at, changed(value[at], rest, to, text));
  }
  const inner = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  return { ...inner, [key]: changed(inner[key], rest, to, text) };
}

function entryAt(entries: readonly unknown[], key: string): number {
  return entries.findIndex((entry, index) => entryName(entry) === key || String(index) === key);
}

function entryName(entry: unknown): string | undefined {
  if (typeof entry === 'string') return entry;
  const { label, name } = (entry ?? {}) as { label?: string; name?: string };
  return label ?? name;
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
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
