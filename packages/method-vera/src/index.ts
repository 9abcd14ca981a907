import { add, matmul, mul, narrow, reshape } from '@kora-bench/core/ops';
import type { ParameterSpec } from '@kora-bench/core/peft';
import { defineMethod, linearTargets, targetLayers } from '@kora-bench/core/peft';
import { z } from 'zod';

const optionsSchema = z.strictObject({
  /** r, the rank of the shared matrices: 1 … 4096; it may be larger than a layer. */
  rank: z.int().min(1).max(4096).default(256),
  /** What every element of d starts as. */
  dInitial: z.number().default(0.1),
  /** Layers of every block that get an adapter; `all-linear` is qkv, proj, fc1 and fc2. */
  targets: linearTargets.default(['attn.q', 'attn.v']),
});

/** Options of `vera`; unknown ones are rejected. */
export type VeraOptions = z.infer<typeof optionsSchema>;

/** The matrices that all layers share, `[r, in]` and `[out, r]` of the largest layer. */
const [sharedA, sharedB] = ['vera_A', 'vera_B'] as const;
/** The names of a layer's own vectors, `[out]` and `[r]`, as peft ends them. */
const [lambdaB, lambdaD] = ['vera_lambda_b', 'vera_lambda_d'] as const;

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
});

export default vera;
