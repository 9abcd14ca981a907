import type { Backend, Weights } from '@kora-bench/core';
import { modelParameters } from '@kora-bench/core';
import type { TrainObserver, TrainResult } from '@kora-bench/trainer';
import { finalStage, train, WeightStore } from '@kora-bench/trainer';
import type { PictureBatch } from './batches.js';
import { pictureBatches } from './batches.js';
import { method, model, seed, task, training } from './recipe.js';

/**
 * Trains the recipe's model with LoRA on any backend, in Node and in a page alike.
 * @param backbone the frozen weights, of `readBackbone`
 * @param observer is told every step as it happens
 * @throws BackendError when the backend fails
 * @throws TrainingError when a loss that the observer asked for is not finite
 */
export function trainRecipe(
  backend: Backend,
  backbone: Weights,
  observer: TrainObserver<PictureBatch>,
): Promise<TrainResult> {
  const weights = new WeightStore({ tensors: backbone, fingerprint: model.name });
  weights.initializeMissing(modelParameters(model, method, task), seed);
  const spec = {
    name: 'web-demo',
    task,
    stage: finalStage(method),
    trains: ({ owner }: { readonly owner: string }) => owner !== 'backbone',
    training,
  };
  return train({ backend, model, method, seed }, weights, spec, pictureBatches, [observer]);
}
