import { add, matmul, mul, narrow, reshape } from '@kora-bench/core/ops';
import type { ParameterSpec } from '@kora-bench/core/peft';
import { defineMethod, targetLayers } from '@kora-bench/core/peft';
import type { VeraOptions } from './options.js';
import { lambdaB, lambdaD, optionsSchema, sharedA, sharedB } from './options.js';
import { veraForm } from './peft-form.js';

export type { VeraOptions };

/** VeRA: every adapted layer's weight is `W + Λ_b·B·Λ_d·A`, with A and B at random, frozen and shared by all layers. */
const vera = defineMethod<VeraOptions>({
  name: 'vera',
  description: 'Two scaling vectors per layer around random low-rank matrices that all layers share.',
  source: 'Kopiczko et al. 2024, VeRA: Vector-based Random Matrix Adaptation, arXiv:2310.11454.',
  options: optionsSchema,
  presets: { 'all-linear': { targets: 'all-linear' } },
  parameters(model, { rank, dInitial, targets }) {
    const layers = targetLayers(model, targets);
    const shared = (name: string, shape: readonly [number, number]): ParameterSpec => ({
      ...{ name, shape, constant: true },
      init: { kind: 'kaimingUniform', a: 0 },
    });
    const vector = (name: string, length: number, value: number): ParameterSpec => ({
      ...{ name, shape: [length], update: { weightDecay: 0 } },
      init: { kind: 'constant', value },
    });
    return [
      shared(sharedA, [rank, Math.max(...layers.map(({ inFeatures }) => inFeatures))]),
      shared(sharedB, [Math.max(...layers.map(({ outFeatures }) => outFeatures)), rank]),
      ...layers.flatMap(({ name, outFeatures }) => [
        vector(`${name}.${lambdaB}`, outFeatures, 0),
        vector(`${name}.${lambdaD}`, rank, dInitial),
      ]),
    ];
  },
  attach({ model, options: { rank, targets }, parameter }) {
    const adapted = new Set(targetLayers(model, targets).map(({ name }) => name));
    return {
      weight({ name, inFeatures, outFeatures }, weight) {
        if (!adapted.has(name)) return weight;
        const a = narrow(parameter(sharedA), 1, 0, inFeatures);
        const b = narrow(parameter(sharedB), 0, 0, outFeatures);
        const d = reshape(parameter(`${name}.${lambdaD}`), [rank, 1]);
        const scales = reshape(parameter(`${name}.${lambdaB}`), [outFeatures, 1]);
        return add(weight, matmul(mul(b, scales), mul(a, d)));
      },
    };
  },
  peft: veraForm,
});

export default vera;
