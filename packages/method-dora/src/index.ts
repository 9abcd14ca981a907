import type { HostTensor } from '@kora-bench/core/graph';
import { add, div, matmul, maximum, mul, reshape, sqrt, stopGradient, sum } from '@kora-bench/core/ops';
import type { ParameterSpec } from '@kora-bench/core/peft';
import { defineMethod } from '@kora-bench/core/peft';
import {
  adaptedLayers,
  loraOptions,
  loraParameters,
  matrixA,
  matrixB,
  trainsBias,
} from '@kora-bench/method-lora';
import { type DoraOptions, magnitude, optionsSchema, rowNorms } from './magnitudes.js';
import { doraForm } from './peft-form.js';

export type { DoraOptions };

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
  trainsBackbone: trainsBias,
  initialize: ({ model, options, weights }) =>
    new Map(
      adaptedLayers(model, options).map((layer): [string, HostTensor] => [
        `${layer.name}.${magnitude}`,
        rowNorms(weights.get(layer.weight)!, layer.rows),
      ]),
    ),
  attach({ model, options, parameter }) {
    const scales = new Map(adaptedLayers(model, options).map(({ name, scale }) => [name, scale]));
    return {
      weight({ name, outFeatures }, weight) {
        const scale = scales.get(name);
        if (scale === undefined) return weight;
        const [a, b, m] = [matrixA, matrixB, magnitude].map((part) => parameter(`${name}.${part}`));
        const whole = add(weight, matmul(b!, mul(a!, scale)));
        const norm = sqrt(sum(mul(whole, whole), { axes: [1], keepDims: true }));
        // Section 4.3 of the paper: the norm follows the update, and no gradient goes through it.
        const held = stopGradient(maximum(norm, smallestNorm));
        return mul(whole, div(reshape(m!, [outFeatures, 1]), held));
      },
    };
  },
  peft: doraForm,
});

/** A row of zeros stays one. */
const smallestNorm = 1e-12;

export default dora;
