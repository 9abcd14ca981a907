import type { ConfiguredMethod, MethodDefinition } from '@kora-bench/core';
import { InputError } from '@kora-bench/core';
import { findRegistered, suggestion } from '../registry/nearest-name.js';
import { checkInput } from './check-input.js';
import type { MethodEntry } from './run-config.js';

/** A method of a configuration, found and validated. */
export interface ChosenMethod extends ConfiguredMethod {
  /** How tables call it; unique in a run. */
  readonly label: string;
  readonly learningRate: number | undefined;
}

/**
 * Finds an entry's method and merges preset and options.
 * @param field the entry's path, e.g. `methods[2]`
 * @throws InputError for an unknown method, preset or option, or an option out of range
 */
export function configureMethod(
  methods: ReadonlyMap<string, MethodDefinition>,
  entry: MethodEntry,
  field: string,
  flags?: ReadonlyMap<string, string>,
): ChosenMethod {
  const place = (path: string) =>
    [path, flags?.get(path) && `set by ${flags.get(path)}`].filter(Boolean).join(' ');
  const definition = findRegistered(methods, 'method', entry.name, place(`${field}.name`));
  const presets = new Map(Object.entries(definition.presets ?? {}));
  const preset = entry.preset === undefined ? {} : presets.get(entry.preset);
  if (preset === undefined) {
    const names = [...presets.keys()];
    throw new InputError(`The method ${entry.name} has no preset "${entry.preset}".`, {
      where: place(`${field}.preset`),
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

/** Gives entries that share a label different ones, by preset or number. */
export function distinctLabels(entries: readonly MethodEntry[]): MethodEntry[] {
  const label = (entry: MethodEntry) => entry.label ?? entry.name;
  const taken = new Set<string>();
  return entries.map((entry) => {
    const shared = entries.filter((other) => label(other) === label(entry)).length > 1;
    const base = shared && entry.preset !== undefined ? `${label(entry)}:${entry.preset}` : label(entry);
    let unique = base;
    for (let number = 2; taken.has(unique); number++) unique = `${base} #${number}`;
    taken.add(unique);
    return { ...entry, label: unique };
  });
}
