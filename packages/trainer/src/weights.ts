import type { Preprocessing } from '@kora-bench/core/data';
import { InputError } from '@kora-bench/core/errors';
import type { HostTensor, Weights } from '@kora-bench/core/graph';
import { formatShape, sameShape, sizeOf } from '@kora-bench/core/graph';
import type { Architecture, Checkpoint } from '@kora-bench/core/nn';
import type { ConfiguredMethod, InitializeContext, Initializer, ParameterSpec } from '@kora-bench/core/peft';
import { initialValue, methodParameters, runMethod } from '@kora-bench/core/peft';
import type { ParameterLayout, Task } from '@kora-bench/core/training';
import { isTrainable, joinFlat, modelParameters, splitFlat } from '@kora-bench/core/training';

/**
 * The current value of every weight of a model, by name: the checkpoint's, the method's and the head's.
 * Training replaces values; programs get them as frozen weights or as the start of their state.
 */
export class WeightStore {
  readonly #values = new Map<string, HostTensor>();
  readonly #pretrained: Weights;
  readonly fingerprint: string;

  constructor({ tensors, fingerprint }: Pick<Checkpoint, 'tensors' | 'fingerprint'>) {
    this.#pretrained = tensors;
    this.fingerprint = fingerprint;
    for (const [name, tensor] of tensors) if (!name.startsWith('head.')) this.#values.set(name, tensor);
  }

  get values(): Weights {
    return this.#values;
  }

  get(name: string): HostTensor {
    return this.#values.get(name)!;
  }

  set(name: string, value: HostTensor): void {
    this.#values.set(name, value);
  }

  /** Gives parameters their start values, replacing what was there. */
  initialize(parameters: readonly ParameterSpec[], seed: number): void {
    for (const spec of parameters)
      this.#values.set(spec.name, { dtype: 'f32', shape: spec.shape, data: initialValue(spec, seed) });
  }

  /** The values of a layout as one flat vector `[P]`. */
  flat(layout: ParameterLayout): HostTensor {
    return joinFlat((name) => this.get(name).data, layout);
  }

  /** Takes over values from a flat vector `[P]`. */
  setFlat(flat: HostTensor, layout: ParameterLayout): void {
    for (const [name, value] of splitFlat(flat, layout)) this.set(name, value);
  }

  /** A copy that can change independently; the tensors themselves are shared. */
  fork(): WeightStore {
    const copy = new WeightStore({ tensors: this.#pretrained, fingerprint: this.fingerprint });
    for (const [name, value] of this.#values) copy.set(name, value);
    return copy;
  }

  /** Whether `name` still has the checkpoint's own value. */
  isPretrained(name: string): boolean {
    const value = this.#values.get(name);
    return value !== undefined && value === this.#pretrained.get(name);
  }
}

/** A method on the backbone that it changes. */
export interface MethodOnModel {
  readonly model: Architecture;
  readonly method: ConfiguredMethod;
}

/** Shows what layers read of training images; see {@link InitializeContext.siteInputs}. */
export type SiteInputs = InitializeContext<unknown>['siteInputs'];

/**
 * Gives a method that has no values yet its start: as its parameters' `init` says, then as its `initialize` does.
 * @param siteInputs shows training images, for starts that depend on them
 * @throws InputError when `initialize` returns what is neither a parameter of the method nor a weight of the backbone,
 *   or asks for images where there are none
 */
export async function initializeMethod(
  { model, method, seed }: MethodOnModel & { readonly seed: number },
  weights: WeightStore,
  siteInputs: SiteInputs = noImages,
): Promise<void> {
  const { definition, options } = method;
  const parameters = methodParameters(method, model);
  const missing = parameters.filter(({ name }) => !weights.values.has(name));
  if (missing.length === 0) return;
  weights.initialize(missing, seed);
  const context = { model, options, seed, weights: weights.values, siteInputs };
  const made = runMethod(definition.name, 'initialize', () => definition.initialize?.(context));
  const values = (await made) ?? new Map<string, HostTensor>();
  const shapes = new Map([...model.weights, ...parameters.map(({ name, shape }) => [name, shape] as const)]);
  for (const [name, value] of values) {
    const shape = shapes.get(name);
    if (shape === undefined || !sameShape(shape, value.shape) || value.data.length !== sizeOf(shape)) {
      throw new InputError(
        `initialize of the method ${definition.name} gives ${name} a value that does not fit.`,
        {
          where: `method ${definition.name}: initialize`,
          expected:
            shape === undefined
              ? 'the method’s own parameters or the backbone’s weights'
              : formatShape(shape),
          received: `${name} ${formatShape(value.shape)}`,
          fix: 'Return values by the names and in the shapes of `parameters`.',
        },
      );
    }
    weights.set(name, value);
  }
}

const noImages: SiteInputs = async () => {
  throw new InputError('There are no training images to start the method from.', {
    where: 'siteInputs',
    expected: 'a training with images',
    received: 'none',
    fix: 'Let `initialize` work without images, or train on a data set.',
  });
};

/** A checkpoint's weights with the method and the head at their start. */
export async function startWeights(
  context: MethodOnModel & { readonly seed: number },
  checkpoint: Pick<Checkpoint, 'tensors' | 'fingerprint'>,
  task: Task,
  siteInputs?: SiteInputs,
): Promise<WeightStore> {
  const weights = new WeightStore(checkpoint);
  await initializeMethod(context, weights, siteInputs);
  weights.initialize(task.parameters(context.model), context.seed);
  return weights;
}

/** What training made, to be saved: the head, the method's own weights, and those of the backbone that it trains or changes. */
export function trainedWeights({ model, method }: MethodOnModel, weights: WeightStore, task: Task): Weights {
  const made = modelParameters(model, method, task).filter(
    (parameter) =>
      parameter.owner !== 'backbone' ||
      isTrainable(parameter, method) ||
      !weights.isPretrained(parameter.name),
  );
  return new Map(made.map(({ name }) => [name, weights.get(name)]));
}

/**
 * A Vision Transformer before any training, started as timm starts it: truncated normals of standard
 * deviation 0.02 for matrices and positions, ones for norms, zeros for biases.
 */
export function initialCheckpoint(
  model: Architecture,
  preprocessing: Preprocessing,
  seed: number,
): Checkpoint {
  const tensors = new Map<string, HostTensor>();
  for (const [name, shape] of model.weights) {
    tensors.set(name, {
      dtype: 'f32',
      shape,
      data: initialValue({ name, shape, init: initializerOf(name) }, seed),
    });
  }
  return { model, preprocessing, tensors, fingerprint: `initial-${seed}`, notes: ['untrained'] };
}

function initializerOf(name: string): Initializer {
  if (name === 'cls_token') return { kind: 'normal', std: 1e-6 };
  if (name.includes('norm'))
    return name.endsWith('.weight') ? { kind: 'constant', value: 1 } : { kind: 'zeros' };
  return name.endsWith('.bias') ? { kind: 'zeros' } : { kind: 'truncatedNormal', std: 0.02 };
}
