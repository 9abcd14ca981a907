import type { UpdateTensor } from '@kora-bench/compression';
import type { HostTensor } from '@kora-bench/core/graph';
import { sameShape } from '@kora-bench/core/graph';
import type { Task } from '@kora-bench/core/training';
import { isTrainable, modelParameters } from '@kora-bench/core/training';
import { initializeMethod, WeightStore } from '@kora-bench/trainer';
import type { TrainedModel } from '../export/open-trained-cell.js';

/** A tensor of an update, by its name in the model. */
export interface NamedTensor extends UpdateTensor {
  readonly name: string;
  readonly start: Float32Array;
}

/** What training made of a start that anyone can make again. */
export interface TrainedUpdate {
  /** The checkpoint with the method and the head as the cell's seed starts them. */
  readonly start: WeightStore;
  /** The method's parameters, and weights of the backbone that it trained or changed. */
  readonly method: readonly NamedTensor[];
  readonly head: readonly NamedTensor[];
}

/**
 * Takes what was trained apart from what it started from. The start is a function of the checkpoint, the method's options
 * and the seed; what a method needs images for starts as its initializers say, and counts as trained. What did not train
 * and is as the start has it, such as VeRA's random matrices, is no part of the update.
 */
export async function trainedUpdate(trained: TrainedModel, task: Task): Promise<TrainedUpdate> {
  const { model, method, cell, pretrained, values, record } = trained;
  const start = new WeightStore({ tensors: pretrained, fingerprint: record.model.fingerprint });
  await startMethod(trained, start);
  start.initialize(task.parameters(model), cell.seed);
  const changed = modelParameters(model, method, task).filter(
    (parameter) =>
      isTrainable(parameter, method) || !sameValues(values.get(parameter.name)!, start.get(parameter.name)),
  );
  const tensors = changed.map(({ name, owner }) => {
    const { shape, data } = values.get(name)!;
    const tensor: NamedTensor = { name, shape, values: floats(data), start: floats(start.get(name).data) };
    return { owner, tensor };
  });
  const of = (isHead: boolean) =>
    tensors.filter(({ owner }) => (owner === 'head') === isHead).map(({ tensor }) => tensor);
  return { start, method: of(false), head: of(true) };
}

async function startMethod({ model, method, cell }: TrainedModel, start: WeightStore): Promise<void> {
  const withoutImages = new Error('There are no images.');
  try {
    await initializeMethod({ model, method, seed: cell.seed }, start, () => Promise.reject(withoutImages));
  } catch (error) {
    // The initializers have set all parameters by then.
    if (error !== withoutImages) throw error;
  }
}

function sameValues(a: HostTensor, b: HostTensor): boolean {
  return a === b || (sameShape(a.shape, b.shape) && a.data.every((value, i) => Object.is(value, b.data[i])));
}

function floats(data: HostTensor['data']): Float32Array {
  return data instanceof Float32Array ? data : Float32Array.from(data);
}
