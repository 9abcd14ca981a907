import type { Preprocessing } from '@kora-bench/core/data';
import type { HostTensor, Weights } from '@kora-bench/core/graph';
import type { Checkpoint, VitConfig } from '@kora-bench/core/nn';
import { vitWeightShapes } from '@kora-bench/core/nn';
import type { ConfiguredMethod, Initializer, ParameterSpec } from '@kora-bench/core/peft';
import { initialValue } from '@kora-bench/core/peft';
import type { OwnedParameter, ParameterLayout, Task } from '@kora-bench/core/training';
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

  /** Gives every parameter of method and head that has no value yet its start value. */
  initializeMissing(parameters: readonly OwnedParameter[], seed: number): void {
    this.initialize(
      parameters.filter(({ name, owner }) => owner !== 'backbone' && !this.#values.has(name)),
      seed,
    );
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
  readonly model: VitConfig;
  readonly method: ConfiguredMethod;
}

/** A checkpoint's weights with the method and the head at their start. */
export function startWeights(
  { model, method, seed }: MethodOnModel & { readonly seed: number },
  checkpoint: Pick<Checkpoint, 'tensors' | 'fingerprint'>,
  task: Task,
): WeightStore {
  const weights = new WeightStore(checkpoint);
  weights.initializeMissing(modelParameters(model, method, task), seed);
  return weights;
}

/** What training made, to be saved: the head, the method's own weights, and those of the backbone that it trains. */
export function trainedWeights({ model, method }: MethodOnModel, weights: WeightStore, task: Task): Weights {
  const made = modelParameters(model, method, task).filter(
    (parameter) => parameter.owner !== 'backbone' || isTrainable(parameter, method),
  );
  return new Map(made.map(({ name }) => [name, weights.get(name)]));
}

/**
 * A Vision Transformer before any training, started as timm starts it: truncated normals of standard
 * deviation 0.02 for matrices and positions, ones for norms, zeros for biases.
 */
export function initialCheckpoint(config: VitConfig, preprocessing: Preprocessing, seed: number): Checkpoint {
  const tensors = new Map<string, HostTensor>();
  for (const [name, shape] of vitWeightShapes({ ...config, numClasses: 0 })) {
    tensors.set(name, {
      dtype: 'f32',
      shape,
      data: initialValue({ name, shape, init: initializerOf(name) }, seed),
    });
  }
  return { config, preprocessing, tensors, fingerprint: `initial-${seed}`, notes: ['untrained'] };
}

function initializerOf(name: string): Initializer {
  if (name === 'cls_token') return { kind: 'normal', std: 1e-6 };
  if (name.includes('norm'))
    return name.endsWith('.weight') ? { kind: 'constant', value: 1 } : { kind: 'zeros' };
  return name.endsWith('.bias') ? { kind: 'zeros' } : { kind: 'truncatedNormal', std: 0.02 };
}
