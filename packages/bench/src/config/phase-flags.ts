import { InputError } from '@kora-bench/core/errors';
import { suggestion } from '../input/check-input.js';
import type { PhaseConfig } from './run-config.js';
import { nameAndOptions } from './run-config.js';

/** What the command line can change in a suite's phases. */
export interface PhaseFlags {
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
}

/** The flag that gives a phase its protocol, if one does. */
export function protocolFlag({ name, trains }: PhaseConfig, { protocol }: PhaseFlags): string | undefined {
  return protocol?.some((text) => (text.includes('=') ? text.startsWith(`${name}=`) : trains === 'head'))
    ? '--protocol'
    : undefined;
}

/** The flag that gives a phase its data, if one does. */
export function dataFlag({ name, trains }: PhaseConfig, flags: PhaseFlags): string | undefined {
  if (flags.data?.some((pair) => pair.startsWith(`${name}=`))) return '--data';
  if (isSource(name) && flags.source !== undefined) return '--source';
  if (name === 'depth' && flags.depth !== undefined) return '--depth';
  return trains === 'head' && flags.target !== undefined ? '--target' : undefined;
}

/** The first task, in whatever forms a suite has it. */
function isSource(name: string): boolean {
  return name === 'source' || name.startsWith('source-');
}

/** A suite's phases with the flags laid over them. @throws InputError naming the flag at fault */
export function changedPhases(phases: readonly PhaseConfig[], flags: PhaseFlags): PhaseConfig[] {
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
