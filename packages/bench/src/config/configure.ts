import type { BackendDefinition } from '@kora-bench/core/backend';
import { InputError } from '@kora-bench/core/errors';
import type { ConfiguredMethod, MethodDefinition } from '@kora-bench/core/peft';
import type { ProtocolDefinition, TaskDefinition } from '@kora-bench/core/training';
import { checkInput, findRegistered, suggestion } from '../input/check-input.js';
import type { CellAdapter } from '../records/record-schema.js';
import type { Entry, MethodEntry, RunConfig } from './run-config.js';
import { nameAndOptions } from './run-config.js';

/*
 * Entries of a configuration, looked up and validated. Nothing here loads an engine, weights or data.
 * `field` is the entry's path in the configuration, e.g. `methods[2]`; `flags` says which flag set which field.
 */

type Flags = ReadonlyMap<string, string>;

/** A method of a configuration, found and validated. */
export interface ChosenMethod extends ConfiguredMethod {
  /** How tables call it; unique in a run. */
  readonly label: string;
  readonly learningRate: number | undefined;
  /** What it starts from, where that is an adapter of peft’s. */
  readonly adapter?: CellAdapter;
}

/** @throws InputError for an unknown method, preset or option, or an option out of range */
export function configureMethod(
  methods: ReadonlyMap<string, MethodDefinition>,
  entry: MethodEntry,
  field: string,
  flags?: Flags,
): ChosenMethod {
  const definition = findRegistered(methods, 'method', entry.name, place(`${field}.name`, flags));
  const presets = new Map(Object.entries(definition.presets ?? {}));
  const preset = entry.preset === undefined ? {} : presets.get(entry.preset);
  if (preset === undefined) {
    const names = [...presets.keys()];
    throw new InputError(`The method ${entry.name} has no preset "${entry.preset}".`, {
      where: place(`${field}.preset`, flags),
      expected: names.length === 0 ? `no preset: ${entry.name} has none` : `one of ${names.join(', ')}`,
      received: entry.preset ?? 'nothing',
      fix: suggestion(entry.preset ?? '', names, 'Choose one of these, or leave the preset out.'),
    });
  }
  const options = checkInput(
    definition.options,
    { ...preset, ...entry.options },
    { prefix: `${field}.options` },
  );
  return { definition, options, label: entry.label ?? entry.name, learningRate: entry.learningRate };
}

/** Gives every entry a label of its own that names its preset: `lora (published)`. */
export function distinctLabels(entries: readonly MethodEntry[]): MethodEntry[] {
  const taken = new Set<string>();
  return entries.map((entry) => {
    const label = entry.label ?? entry.name;
    const base =
      entry.preset === undefined || names(label, entry.preset) ? label : `${label} (${entry.preset})`;
    let unique = base;
    for (let number = 2; taken.has(unique); number++) unique = `${base} #${number}`;
    taken.add(unique);
    return { ...entry, label: unique };
  });
}

/** Whether a label has a preset's name in it, as words of their own. */
function names(label: string, preset: string): boolean {
  const words = (text: string) => ` ${text.toLowerCase().replace(/[^a-z0-9-]+/g, ' ')} `;
  return words(label).includes(words(preset));
}

/** A backend of a configuration, found and validated. */
export interface ChosenBackend {
  readonly definition: BackendDefinition;
  readonly device: string;
  /** Complete, with defaults. */
  readonly options: unknown;
}

/** @throws InputError for an unknown backend, device or option, or an option out of range */
export function configureBackend(
  backends: ReadonlyMap<string, BackendDefinition>,
  entry: RunConfig['backends'][number],
  field: string,
  flags?: Flags,
): ChosenBackend {
  const definition = findRegistered(backends, 'backend', entry.name, place(`${field}.name`, flags));
  const device = entry.device ?? definition.defaultDevice;
  if (!definition.devices.includes(device)) {
    throw new InputError(`The backend ${entry.name} has no device "${device}".`, {
      where: place(`${field}.device`, flags),
      expected: `one of ${definition.devices.join(', ')}`,
      received: device,
      fix: suggestion(device, definition.devices, 'Choose one of these; `doctor` says which work here.'),
    });
  }
  const options = checkInput(definition.options, entry.options, { prefix: `${field}.options` });
  return { definition, device, options };
}

/** Something registered with validated options. */
export interface Chosen<Definition> {
  readonly definition: Definition;
  /** Complete, with defaults. */
  readonly options: unknown;
}

/** @throws InputError for an unknown name, or an option that is unknown or out of range */
export function configureEntry<Definition extends TaskDefinition | ProtocolDefinition>(
  known: ReadonlyMap<string, Definition>,
  { kind, entry, field, flags }: { kind: string; entry: Entry; field: string; flags?: Flags },
): Chosen<Definition> {
  const { name, options } = nameAndOptions(entry);
  const at = typeof entry === 'string' ? field : `${field}.name`;
  const definition = findRegistered(known, kind, name, place(at, flags));
  return { definition, options: checkInput(definition.options, options, { prefix: `${field}.options` }) };
}

/** `field set by --flag`. */
export function place(field: string, flags?: Flags): string {
  const flag = flags?.get(field);
  return flag === undefined ? field : `${field} set by ${flag}`;
}
