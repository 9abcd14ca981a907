import type { BackendDefinition } from '@kora-bench/core';
import { InputError } from '@kora-bench/core';
import { findRegistered, suggestion } from '../registry/nearest-name.js';
import { checkInput } from './check-input.js';
import type { RunConfig } from './run-config.js';

/** A backend of a configuration, found and validated. */
export interface ChosenBackend {
  readonly definition: BackendDefinition;
  readonly device: string;
  /** Complete, with defaults. */
  readonly options: unknown;
}

/**
 * Finds an entry's backend and validates device and options; loads no engine.
 * @param field the entry's path, e.g. `backends[0]`
 * @throws InputError for an unknown backend, device or option, or an option out of range
 */
export function configureBackend(
  backends: ReadonlyMap<string, BackendDefinition>,
  entry: RunConfig['backends'][number],
  field: string,
  flags?: ReadonlyMap<string, string>,
): ChosenBackend {
  const place = (path: string) =>
    [path, flags?.get(path) && `set by ${flags.get(path)}`].filter(Boolean).join(' ');
  const definition = findRegistered(backends, 'backend', entry.name, place(`${field}.name`));
  const device = entry.device ?? definition.defaultDevice;
  if (!definition.devices.includes(device)) {
    throw new InputError(`The backend ${entry.name} has no device "${device}".`, {
      where: place(`${field}.device`),
      expected: `one of ${definition.devices.join(', ')}`,
      received: device,
      fix: suggestion(device, definition.devices, 'Choose one of these; `doctor` says which work here.'),
    });
  }
  const options = checkInput(definition.options, entry.options, { prefix: `${field}.options` });
  return { definition, device, options };
}
