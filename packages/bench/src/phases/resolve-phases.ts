import { isDeepStrictEqual } from 'node:util';
import { targetKinds } from '@kora-bench/core/data';
import { InputError } from '@kora-bench/core/errors';
import type { ProtocolDefinition, TaskDefinition } from '@kora-bench/core/training';
import type { Chosen } from '../config/configure.js';
import { configureEntry, place } from '../config/configure.js';
import type { PhaseConfig, RunConfig } from '../config/run-config.js';
import { nameAndOptions } from '../config/run-config.js';
import { suggestion } from '../input/check-input.js';
import type { FoundDataset, Registry } from '../registry/registry.js';
import { findDataset } from '../registry/registry.js';

/** A phase whose every name is known. */
export interface ChosenPhase {
  readonly config: PhaseConfig;
  /** Its path in the configuration, e.g. `phases[1]`. */
  readonly field: string;
  /** `source`, or `transfer/stratified`: names shuffles, findings and progress; unique in a run. */
  readonly label: string;
  readonly task: Chosen<TaskDefinition>;
  readonly protocol: Chosen<ProtocolDefinition>;
  readonly dataset: FoundDataset;
}

/** The phases of a configuration, looked up. @throws InputError */
export async function resolvePhases(
  { phases }: Pick<RunConfig, 'phases'>,
  registry: Registry,
  flags: ReadonlyMap<string, string> = new Map(),
): Promise<readonly ChosenPhase[]> {
  const chosen: ChosenPhase[] = [];
  for (const [index, config] of phases.entries()) {
    const field = `phases[${index}]`;
    const all = phases.map(({ name }) => name);
    const earlier = chosen.map((phase) => phase.config.name);
    checkOrder(config, { field, earlier, all });
    const { protocol, task } = config;
    const found: ChosenPhase = {
      config,
      field,
      label: phaseLabel(config, all),
      task: configureEntry(registry.tasks, { kind: 'task', entry: task, field: `${field}.task`, flags }),
      protocol: configureEntry(registry.protocols, {
        kind: 'protocol',
        entry: protocol,
        field: `${field}.protocol`,
        flags,
      }),
      dataset: await findDataset(registry, config.data, place(`${field}.data`, flags)),
    };
    checkTargets(found, registry, place(`${field}.data`, flags));
    checkHeadOf(found, chosen);
    chosen.push(found);
  }
  return chosen;
}

/**
 * The phase with its protocol. `transfer-stratified`, as several values of `--protocol` call it, has the shuffles
 * of a phase `transfer` with that protocol: how many protocols run beside it changes no number.
 */
export function phaseLabel({ name, protocol }: PhaseConfig, all: readonly string[]): string {
  const { name: protocolName } = nameAndOptions(protocol);
  if (protocolName === 'full') return name;
  const short = name.endsWith(`-${protocolName}`) ? name.slice(0, -protocolName.length - 1) : name;
  return `${all.includes(short) ? name : short}/${protocolName}`;
}

function checkOrder(
  { name, from, trains }: PhaseConfig,
  { field, earlier, all }: { field: string; earlier: readonly string[]; all: readonly string[] },
): void {
  if (earlier.includes(name)) {
    throw new InputError('Two phases have the same name.', {
      where: `${field}.name`,
      expected: `a name other than ${earlier.join(', ')}`,
      received: name,
      fix: 'Rename one of them.',
    });
  }
  if (trains !== 'all' && from === null) {
    throw new InputError(
      `A phase that trains ${trains === 'head' ? 'a head alone' : 'nothing'} starts from no trained model.`,
      {
        where: `${field}.from`,
        expected: 'the name of an earlier phase',
        received: 'nothing',
        fix: `Name the phase to start from, or train everything with "trains": "all".`,
      },
    );
  }
  if (from === null || earlier.includes(from)) return;
  const later = all.includes(from);
  throw new InputError(
    later
      ? `The phase ${name} starts from ${from}, which does not come before it.`
      : `There is no phase "${from}" to start from.`,
    {
      where: `${field}.from`,
      expected: earlier.length === 0 ? 'null: this is the first phase' : `one of ${earlier.join(', ')}`,
      received: from,
      fix: later
        ? `Move the phase ${from} before ${name}.`
        : suggestion(from, earlier, 'Name an earlier phase.'),
    },
  );
}

/** A phase that trains nothing has the head of an earlier phase, of the same task and data. */
function checkHeadOf({ config, field }: ChosenPhase, earlier: readonly ChosenPhase[]): void {
  const { name, headOf, trains } = config;
  const where = `${field}.headOf`;
  if (trains !== 'nothing') {
    if (headOf === undefined) return;
    throw new InputError(`The phase ${name} trains a new head, and is to use that of ${headOf}.`, {
      where,
      expected: 'no field headOf, or "trains": "nothing"',
      received: `${headOf}, with "trains": "${trains}"`,
      fix: 'Remove headOf, or set "trains": "nothing".',
    });
  }
  const same = ({ config: other }: ChosenPhase) =>
    other.trains !== 'nothing' &&
    other.data === config.data &&
    isDeepStrictEqual(nameAndOptions(other.task), nameAndOptions(config.task));
  const fitting = earlier.filter(same).map((phase) => phase.config.name);
  if (headOf !== undefined && fitting.includes(headOf)) return;
  throw new InputError(
    headOf === undefined
      ? `The phase ${name} trains nothing, and no phase gives it a head.`
      : `The phase ${name} cannot use the head of ${headOf}.`,
    {
      where,
      expected:
        fitting.length === 0
          ? 'an earlier phase of the same task and data; there is none'
          : `an earlier phase of the same task and data: ${fitting.join(', ')}`,
      received: headOf ?? 'nothing',
      fix:
        fitting.length === 0
          ? 'Put a phase with the task and data of this one before it.'
          : suggestion(headOf ?? '', fitting, 'Name one of these.'),
    },
  );
}

function checkTargets({ task, dataset }: ChosenPhase, { datasets }: Registry, where: string): void {
  const needed = task.definition.targets;
  const there = dataset.targets ?? needed;
  const missing = needed.filter((kind) => !there.includes(kind));
  if (missing.length === 0) return;
  const fitting = [...datasets.values()]
    .filter(({ targets }) => needed.every((kind) => targets.includes(kind)))
    .map(({ name }) => name);
  throw new InputError(`The data set ${dataset.name} lacks a target of the task ${task.definition.name}.`, {
    where,
    expected: `data with ${missing.map((kind) => `${kind} (${targetKinds[kind].description})`).join(' and ')}: ${
      fitting.length === 0 ? 'no registered data set has it' : `one of ${fitting.join(', ')}`
    }`,
    received: `${dataset.name}, which has ${there.join(', ')}`,
    fix: 'Choose another data set or another task for this phase.',
  });
}
