import { add, matmul, mul, reshape } from '@kora-bench/core/ops';
import type { ParameterSpec } from '@kora-bench/core/peft';
import { defineMethod } from '@kora-bench/core/peft';
import { matrixShapes, tableKinds, tableNames, tableShapes, tablesOf } from './frequency-tables.js';
import type { FourierftOptions } from './options.js';
import { adaptedLayers, coefficientsName, optionsSchema, scalingOf } from './options.js';
import { fourierftForm } from './peft-form.js';

export type { FourierftOptions };

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
    const layers = adaptedLayers(model, options);
    const coefficients = layers.map(
      (layer): ParameterSpec => ({
        ...{ name: coefficientsName(layer), shape: [frequencies] },
        init: init === 'zeros' ? { kind: 'zeros' } : { kind: 'normal', std: 1 },
        update: { weightDecay: 0 },
      }),
    );
    const tables = matrixShapes(layers).flatMap((shape): ParameterSpec[] => {
      const [names, shapes] = [tableNames(shape), tableShapes(frequencies, shape)];
      return tableKinds.map((kind) => ({
        ...{ name: names[kind], shape: shapes[kind] },
        init: { kind: 'zeros' },
        constant: true,
      }));
    });
    return [...coefficients, ...tables];
  },
  initialize: ({ model, options }) => tablesOf(adaptedLayers(model, options), options),
  attach({ model, options, parameter }) {
    const { frequencies } = options;
    const adapted = new Set(adaptedLayers(model, options).map(({ name }) => name));
    return {
      weight(site, weight) {
        if (!adapted.has(site.name)) return weight;
        const [out, into] = [site.outFeatures, site.inFeatures];
        const names = tableNames([out, into]);
        const coefficients = mul(parameter(coefficientsName(site)), scalingOf(site, options) / (out * into));
        const waves = mul(parameter(names.waves), reshape(coefficients, [frequencies, 1]));
        const sums = matmul(parameter(names.rows), waves, { transposeA: true });
        const [inverse, parts] = [parameter(names.inverse), reshape(sums, [-1, Math.max(out, into)])];
        const update =
          out <= into
            ? matmul(inverse, parts)
            : matmul(parts, inverse, { transposeA: true, transposeB: true });
        return add(weight, update);
      },
    };
  },
  peft: fourierftForm,
});

export default fourierft;
