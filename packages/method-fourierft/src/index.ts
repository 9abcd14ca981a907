import { InputError } from '@kora-bench/core/errors';
import type { HostTensor } from '@kora-bench/core/graph';
import type { Architecture } from '@kora-bench/core/nn';
import { add, concat, matmul, mul, reshape } from '@kora-bench/core/ops';
import type { ParameterSpec } from '@kora-bench/core/peft';
import { defineMethod, linearTargets, targetLayers } from '@kora-bench/core/peft';
import { z } from 'zod';
import { drawFrequencies, frequencyTables } from './frequency-tables.js';

const optionsSchema = z.strictObject({
  /** n, the Fourier coefficients that train in each layer: 1 … out·in. */
  frequencies: z.int().min(1).default(1000),
  /**
   * The factor s on the inverse transform, or `relative`: out·in·√(2/(n·in)), with which coefficients of N(0, 1) make
   * an update whose elements have the variance 1/in.
   */
  scaling: z.union([z.literal('relative'), z.number().positive()]).default('relative'),
  /** How coefficients start: at zero, or as N(0, 1). */
  init: z.enum(['zeros', 'normal']).default('zeros'),
  /** Layers of every block that get an update; `all-linear` is qkv, proj, fc1 and fc2. */
  targets: linearTargets.default(['attn.q', 'attn.v']),
});

/** Options of `fourierft`; unknown ones are rejected. */
export type FourierftOptions = z.infer<typeof optionsSchema>;

/** The name of a layer's coefficients `[n]`, as peft ends it. */
const spectrum = 'fourierft_spectrum';

/** FourierFT: every adapted layer's weight is `W + s·Re(ifft2(F))`, where n entries of F train. */
const fourierft = defineMethod<FourierftOptions>({
  name: 'fourierft',
  description: 'A weight update with few Fourier coefficients, at frequencies drawn at random.',
  source:
    'Gao et al. 2024, Parameter-Efficient Fine-Tuning with Discrete Fourier Transform, arXiv:2405.03003.',
  options: optionsSchema,
  presets: { published: { frequencies: 3000, scaling: 300, init: 'normal', targets: ['attn.q', 'attn.v'] } },
  startsAtBackbone: ({ init }) => init === 'zeros',
  parameters(model, options) {
    const { frequencies, init } = options;
    const coefficients = targetLayers(model, options.targets).map(
      ({ name }): ParameterSpec => ({
        ...{ name: `${name}.${spectrum}`, shape: [frequencies] },
        init: init === 'zeros' ? { kind: 'zeros' } : { kind: 'normal', std: 1 },
        update: { weightDecay: 0 },
      }),
    );
    const tables = shapesOf(model, options).flatMap(([out, into]): ParameterSpec[] => [
      {
        name: tableNames(out, into).out,
        shape: [out, 2 * frequencies],
        init: { kind: 'zeros' },
        constant: true,
      },
      {
        name: tableNames(out, into).in,
        shape: [2 * frequencies, into],
        init: { kind: 'zeros' },
        constant: true,
      },
    ]);
    return [...coefficients, ...tables];
  },
  initialize({ model, options, seed }) {
    return new Map(
      shapesOf(model, options).flatMap(([out, into]): [string, HostTensor][] => {
        const names = tableNames(out, into);
        const tables = frequencyTables(drawFrequencies(options.frequencies, [out, into], seed), [out, into]);
        return [
          [names.out, tables.out],
          [names.in, tables.in],
        ];
      }),
    );
  },
  attach({ model, options: { frequencies, scaling, targets }, parameter }) {
    const adapted = new Set(targetLayers(model, targets).map(({ name }) => name));
    return {
      weight({ name, outFeatures: out, inFeatures: into }, weight) {
        if (!adapted.has(name)) return weight;
        const names = tableNames(out, into);
        const factor = scaling === 'relative' ? Math.sqrt(2 / (frequencies * into)) : scaling / (out * into);
        const coefficients = mul(parameter(`${name}.${spectrum}`), factor);
        const twice = reshape(concat([coefficients, coefficients], 0), [2 * frequencies, 1]);
        return add(weight, matmul(parameter(names.out), mul(parameter(names.in), twice)));
      },
    };
  },
});

function tableNames(out: number, into: number) {
  return { out: `fourierft.${out}x${into}.out`, in: `fourierft.${out}x${into}.in` };
}

/** The sizes that the adapted layers have, each once: layers of one size share their frequencies, as in peft. */
function shapesOf(
  model: Architecture,
  { frequencies, targets }: FourierftOptions,
): [out: number, into: number][] {
  const shapes = new Map<string, [number, number]>();
  for (const { name, outFeatures, inFeatures } of targetLayers(model, targets)) {
    if (frequencies > outFeatures * inFeatures) {
      throw new InputError(`${frequencies} frequencies are more than the layer ${name} has.`, {
        where: 'options.frequencies',
        expected: `at most ${outFeatures * inFeatures}, the elements of ${name} [${outFeatures}, ${inFeatures}]`,
        received: String(frequencies),
        fix: 'Lower frequencies, or leave the layer out of the targets.',
      });
    }
    shapes.set(`${outFeatures}x${inFeatures}`, [outFeatures, inFeatures]);
  }
  return [...shapes.values()];
}

export default fourierft;
