import type { Backend } from '@kora-bench/core/backend';
import type { Weights } from '@kora-bench/core/graph';
import type { TrainObserver, TrainResult } from '@kora-bench/trainer';
import { startWeights, train } from '@kora-bench/trainer';
import type { PictureBatch } from './batches.js';
import { pictureBatches } from './batches.js';
import { method, model, seed, task, training } from './recipe.js';

/**
 * Trains the recipe's model with LoRA on any backend, in Node and in a page alike.
 * @param backbone the frozen weights, of `readBackbone`
 * @param observer gets every step as it happens
 * @throws BackendError when the backend fails
 * @throws TrainingError when a loss that the observer asked for is not finite
 */
export async function trainRecipe(
  backend: Backend,
  backbone: Weights,
  observer: TrainObserver<PictureBatch>,
): Promise<TrainResult> {
  const context = { backend, model, method, seed };
  const weights = await startWeights(context, { tensors: backbone, fingerprint: model.name }, task);
  return train(context, weights, { name: 'web-demo', task, training, observers: [observer] }, pictureBatches);
}
