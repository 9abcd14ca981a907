import type { CkaMatrix, LayerBatch } from '@kora-bench/core/metrics';
import { LinearCka, MinibatchCka } from '@kora-bench/core/metrics';
import type { CkaPlan } from './cka-plan.js';

/** CKA between the layers of one model, or of two over the same images: those of the second come after the first's. */
export interface CkaEstimate {
  /** The most bytes that it and the activations that it was given took so far. */
  readonly bytes: number;
  /** @param layers of the next model of a batch, all models in turn, `[count, features]` each */
  add(layers: readonly LayerBatch[]): void;
  result(): { readonly n: number; readonly biased: CkaMatrix; readonly debiased: CkaMatrix };
}

/** The estimator that a plan asks for. */
export function startEstimate(plan: CkaPlan): CkaEstimate {
  const names = plan.layers.map(({ name }) => name);
  const layerNames =
    plan.backbone === undefined ? names : [...names, ...names.map((name) => `backbone: ${name}`)];
  return plan.estimator === 'exact' ? exact(layerNames) : minibatch(layerNames, plan);
}

const bytesOf = (layers: readonly LayerBatch[]) => layers.reduce((sum, { data }) => sum + data.byteLength, 0);

function exact(layerNames: readonly string[]): CkaEstimate {
  const cka = new LinearCka(layerNames);
  let batch: LayerBatch[] = [];
  let activations = 0;
  return {
    get bytes() {
      return activations + cka.peakBytes;
    },
    add(layers) {
      batch.push(...layers);
      activations = Math.max(activations, bytesOf(batch));
      if (batch.length < layerNames.length) return;
      cka.add(batch);
      batch = [];
    },
    result: () => cka.result(),
  };
}

function minibatch(layerNames: readonly string[], { kernel, batchSize }: CkaPlan): CkaEstimate {
  const cka = new MinibatchCka({ layerNames, kernel, batchSize });
  let activations = 0;
  return {
    get bytes() {
      return activations + MinibatchCka.bytesFor(layerNames.length, batchSize);
    },
    add(layers) {
      activations = Math.max(activations, bytesOf(layers));
      for (const layer of layers) cka.add(layer);
    },
    result: () => cka.result(),
  };
}
