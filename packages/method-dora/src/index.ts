import type { HostTensor, Weights } from '@kora-bench/core/graph';
import { hostTensor } from '@kora-bench/core/graph';
import type { Architecture } from '@kora-bench/core/nn';
import { add, div, matmul, maximum, mul, reshape, sqrt, stopGradient, sum } from '@kora-bench/core/ops';
import type { ParameterSpec } from '@kora-bench/core/peft';
import { defineMethod } from '@kora-bench/core/peft';
import {
  adaptedLayers,
  loraOptions,
  loraParameters,
  matrixA,
  matrixB,
  scaleOf,
} from '@kora-bench/method-lora';
import type { z } from 'zod';

const optionsSchema = loraOptions.pick({ rank: true, alpha: true, scaling: true, targets: true });

/** Options of `dora`, as of `lora`. */
export type DoraOptions = z.infer<typeof optionsSchema>;

/** The name of a layer's magnitudes `[out]`, as peft ends it. */
const magnitude = 'lora_magnitude_vector.weight';

/** DoRA: every adapted layer's weight is `m ⊙ (W + ΔW) / ‖W + ΔW‖`, row by row, with LoRA's `ΔW = scale·B·A`. */
const dora = defineMethod<DoraOptions>({
  name: 'dora',
  description: 'LoRA on the directions of a weight’s rows, and their magnitudes trained by themselves.',
  source: 'Liu et al. 2024, DoRA: Weight-Decomposed Low-Rank Adaptation, arXiv:2402.09353.',
  options: optionsSchema,
  presets: { 'q-and-v': { targets: ['attn.q', 'attn.v'] } },
  parameters(model, options) {
    const magnitudes = adaptedLayers(model, options).map(
      ({ name, outFeatures }): ParameterSpec => ({
        name: `${name}.${magnitude}`,
        shape: [outFeatures],
        init: { kind: 'constant', value: 1 },
        update: { weightDecay: 0 },
      }),
    );
    return [...loraParameters(model, loraOptions.parse(options)), ...magnitudes];
  },
  initialize: ({ model, options, weights }) => rowNorms(model, options, weights),
  attach({ model, options, parameter }) {
    const adapted = new Set(adaptedLayers(model, options).map(({ name }) => name));
    const scale = scaleOf(options);
    return {
      weight({ name, outFeatures }, weight) {
        if (!adapted.has(name)) return weight;
        const [a, b, m] = [matrixA, matrixB, magnitude].map((part) => parameter(`${name}.${part}`));
        const whole = add(weight, matmul(b!, mul(a!, scale)));
        const norm = sqrt(sum(mul(whole, whole), { axes: [1], keepDims: true }));
        // Section 4.3 of the paper: the norm follows the update, and no gradient goes through it.
        const held = stopGradient(maximum(norm, smallestNorm));
        return mul(whole, div(reshape(m!, [outFeatures, 1]), held));
      },
    };
  },
});

/** A row of zeros stays one. */
const smallestNorm = 1e-12;

/** m starts as the norm of each row of W, so that training starts from the backbone's forward pass. */
function rowNorms(model: Architecture, options: DoraOptions, weights: Weights): Weights {
  return new Map(
    adaptedLayers(model, options).map(
      ({ name, weight, rows, inFeatures, outFeatures }): [string, HostTensor] => {
        const { data } = weights.get(weight)!;
        const first = rows?.[0] ?? 0;
        const norms = Float32Array.from({ length: outFeatures }, (_, row) =>
          Math.hypot(...data.subarray((first + row) * inFeatures, (first + row + 1) * inFeatures)),
        );
        return [`${name}.${magnitude}`, hostTensor([outFeatures], norms)];
      },
    ),
  );
}

export default dora;
