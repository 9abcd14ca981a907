import { InputError } from '../errors/kora-error.js';
import type { Shape } from '../graph/shape.js';
import { sizeOf } from '../graph/shape.js';
import type { Architecture } from '../nn/architecture.js';
import type { ConfiguredMethod, MethodStage } from '../peft/method.js';
import { stagesOf } from '../peft/method.js';
import { methodParameters } from '../peft/method-faults.js';
import type { ParameterSpec, UpdateFactors } from '../peft/parameter.js';
import type { Task } from './task.js';

/** Who a parameter belongs to. */
export type ParameterOwner = 'backbone' | 'method' | 'head';

export interface OwnedParameter extends ParameterSpec {
  readonly owner: ParameterOwner;
  /** Left out of the method's published count. */
  readonly uncounted: boolean;
}

/**
 * Everything in a model that could train: the backbone's weights (without its own classifier), the
 * method's parameters and the task's head. Backbone weights start from the checkpoint; their `init`
 * is meaningless.
 * @throws InputError when a method names a parameter like one of the model's
 */
export function modelParameters(
  model: Architecture,
  { definition, options }: ConfiguredMethod,
  task: Task,
): OwnedParameter[] {
  const backbone = [...model.weights].map(([name, shape]) => ({
    name,
    shape,
    init: { kind: 'zeros' } as const,
    owner: 'backbone' as const,
    uncounted: false,
    update: definition.backboneUpdate?.(name, options) ?? defaultUpdate(shape),
  }));
  const method = methodParameters({ definition, options }, model).map((spec) => ({
    ...spec,
    owner: 'method' as const,
    uncounted: spec.constant === true || (definition.uncounted?.(spec.name, options) ?? false),
  }));
  const head = task.parameters(model).map((spec) => ({ ...spec, owner: 'head' as const, uncounted: false }));
  const all = [...backbone, ...method, ...head];
  const seen = new Set<string>();
  for (const { name } of all) {
    if (seen.has(name)) {
      throw new InputError(`Two parameters are named "${name}".`, {
        expected: 'names that neither the backbone nor the head use',
        received: name,
        where: `method ${definition.name}`,
        fix: 'Prefix the method’s parameters with its name.',
      });
    }
    seen.add(name);
  }
  return all;
}

/**
 * As timm groups the parameters of a model for an optimiser: no weight decay on vectors (biases, norms, layer scales)
 * nor on positions and tokens, which are stored as `[1, n, D]`.
 */
function defaultUpdate(shape: Shape): UpdateFactors {
  return shape.length === 1 || (shape.length === 3 && shape[0] === 1) ? { weightDecay: 0 } : {};
}

/** What trains in a stage of a method: what the method says of its own and the backbone's, and the head. */
export function trainsInStage(
  parameter: OwnedParameter,
  { definition, options }: ConfiguredMethod,
  stage: MethodStage,
): boolean {
  switch (parameter.owner) {
    case 'backbone':
      return definition.trainsBackbone?.(parameter.name, options) ?? false;
    case 'method':
      return parameter.constant !== true && stage.trains(parameter.name);
    case 'head':
      return true;
  }
}

/** Whether a parameter trains when the whole method is trained, in any of its stages. */
export function isTrainable(parameter: OwnedParameter, method: ConfiguredMethod): boolean {
  return stagesOf(method).some((stage) => trainsInStage(parameter, method, stage));
}

export interface ParameterCount {
  /** Weights of the backbone as its checkpoint has them, its own classifier included. */
  readonly backbone: number;
  /** Parameters that the method and the new head train, by the published way of counting. */
  readonly trainable: number;
  /** trainable / (backbone + trainable): the published "tuned %", as a share in [0, 1]. */
  readonly share: number;
}

/**
 * Counts without loading weights. A method that trains the backbone itself adds nothing to it, so its
 * share is trainable / (backbone + head).
 */
export function countParameters(model: Architecture, method: ConfiguredMethod, task: Task): ParameterCount {
  const shapes = [...model.weights.values(), ...model.classifier.values()];
  const backbone = shapes.reduce((sum, shape) => sum + sizeOf(shape), 0);
  let own = 0;
  let added = 0;
  for (const parameter of modelParameters(model, method, task)) {
    if (parameter.uncounted) continue;
    if (parameter.owner !== 'backbone') added += sizeOf(parameter.shape);
    else if (isTrainable(parameter, method)) own += sizeOf(parameter.shape);
  }
  return { backbone, trainable: own + added, share: (own + added) / (backbone + added) };
}
