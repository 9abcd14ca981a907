import { InputError } from '@kora-bench/core/errors';
import type { ConfiguredMethod, MethodStage } from '@kora-bench/core/peft';
import { stagesOf } from '@kora-bench/core/peft';
import type { OwnedParameter } from '@kora-bench/core/training';
import { trainsInStage } from '@kora-bench/core/training';

/** The stage whose forward pass is the finished method's. */
export function finalStage(method: ConfiguredMethod): string {
  return stagesOf(method).at(-1)!.name;
}

/** What trains in a stage: what the method says, and the head. @throws InputError for an unknown stage */
export function trainsIn(method: ConfiguredMethod, name: string): (parameter: OwnedParameter) => boolean {
  const stage = requireStage(method, name);
  return (parameter) => trainsInStage(parameter, method, stage);
}

function requireStage(method: ConfiguredMethod, name: string): MethodStage {
  const stages = stagesOf(method);
  const found = stages.find((stage) => stage.name === name);
  if (found !== undefined) return found;
  throw new InputError(`The method ${method.definition.name} has no stage "${name}".`, {
    where: 'stage',
    expected: `one of ${stages.map((stage) => stage.name).join(', ')}`,
    received: name,
    fix: 'Name one of these, or none for the last one.',
  });
}
