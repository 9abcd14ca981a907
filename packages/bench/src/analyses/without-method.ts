import type { ConfiguredMethod } from '@kora-bench/core/peft';

/** A method that leaves the backbone as it is: of the one given, only the name is left. */
export function withoutMethod({ definition, options }: ConfiguredMethod): ConfiguredMethod {
  return { definition: { ...definition, attach: () => ({}), parameters: () => [] }, options };
}
